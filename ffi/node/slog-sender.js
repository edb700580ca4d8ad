// A slog sender for @agoric/telemetry: SLOGSENDER=@haltbox/slog-sender.
import { setTimeout } from 'node:timers/promises';

import { loadAddon } from './addon.js';
import { attachBeside } from './attach.js';
import { folderFor, isOff } from './settings.js';

// If a node is restarted at once, the previous process, its slog agent above all, may not have ended yet.
const LOCKED_TRIES = 20;
const LOCKED_PAUSE_MS = 100;

const firstLine = error => `${error?.message ?? error}`.split('\n', 1)[0];
const say = message => console.warn(`haltbox: ${message}`);

/** Like @agoric/telemetry: errors as objects, bigints as numbers. */
const replacer = (_key, value) => {
  if (typeof value === 'bigint') return Number(value);
  if (!(value instanceof Error)) return value;
  const { name: errorType, message, stack } = value;
  const shown = { errorType, message };
  if (Object.hasOwn(value, 'cause')) shown.cause = value.cause;
  if (Object.hasOwn(value, 'errors')) shown.errors = value.errors;
  if (stack) shown.stack = stack;
  return shown;
};

const openRecorder = async (env, dir) => {
  const { open } = loadAddon();
  const { HALTBOX_SIZE, HALTBOX_BACKGROUND, HALTBOX_ARCHIVE_BYTES, HALTBOX_ENGINE } = env;
  for (let tries = 1; ; tries += 1) {
    try {
      return open(dir, HALTBOX_SIZE, HALTBOX_BACKGROUND, HALTBOX_ARCHIVE_BYTES, HALTBOX_ENGINE);
    } catch (error) {
      if (error.code !== 'LOCKED' || tries === LOCKED_TRIES) throw error;
    }
    await setTimeout(LOCKED_PAUSE_MS);
  }
};

const senderOf = (recorder, endAttached) => {
  const told = new Set();
  const tellOnce = reason => {
    if (told.has(reason)) return;
    told.add(reason);
    say(`an entry was not recorded: ${reason}`);
  };
  let open = true;

  const slogSender = (slogObj, jsonObj) => {
    if (!open) return;
    try {
      const entry = jsonObj === undefined ? JSON.stringify(slogObj, replacer) : jsonObj;
      const reason = recorder.record(entry);
      if (reason !== undefined) tellOnce(reason);
    } catch (error) {
      // The kernel continues whatever an entry contains.
      tellOnce(firstLine(error));
    }
  };
  return Object.assign(slogSender, {
    // Nothing is buffered: an entry is in the ring when its call returns.
    forceFlush: async () => {},
    shutdown: async () => {
      open = false;
      recorder.close();
      endAttached();
    },
    usesJsonObject: true,
  });
};

/** @type {import('./index.js').MakeSlogSender} */
export const makeSlogSender = async ({ env = process.env, stateDir } = {}) => {
  if (isOff(env)) return undefined;
  await null;
  try {
    const dir = folderFor(env, stateDir);
    if (dir === undefined) throw Error('neither HALTBOX_DIR nor a stateDir says where to record');
    const recorder = await openRecorder(env, dir);
    recorder.notices.forEach(say);
    return senderOf(recorder, attachBeside(env, dir, say));
  } catch (error) {
    say(`not recording: ${firstLine(error)}`);
    return undefined;
  }
};
