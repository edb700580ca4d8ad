// What becomes of an entry and its JSON, in every way that is compared.
import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';

const { HALTBOX_MODULE, SLOGFILE } = process.env;

/** A sender module as SLOGSENDER names it, called as Agoric's aggregator calls it. */
const fromModule = async (name, stateDir) => {
  const { makeSlogSender } = await import(name);
  const slogSender = await makeSlogSender({ stateDir, env: process.env, serviceName: 'bench' });
  if (!slogSender) throw Error(`${name} gives no sender`);
  return slogSender;
};

const withoutEffect = { forceFlush: async () => {}, shutdown: async () => {} };

const plainFile = stateDir => {
  const file = openSync(path.join(stateDir, 'plain.jsonl'), 'a');
  const send = (_entry, json) => {
    writeSync(file, `${json}\n`);
  };
  return Object.assign(send, { ...withoutEffect, shutdown: async () => closeSync(file) });
};

const makers = {
  stringify: async () => Object.assign(() => {}, withoutEffect),
  write: async stateDir => plainFile(stateDir),
  slogfile: async stateDir => fromModule('@agoric/telemetry/src/slog-file.js', stateDir),
  peer: async stateDir => fromModule('@agoric/telemetry/src/flight-recorder.js', stateDir),
  haltbox: async stateDir => fromModule(HALTBOX_MODULE, stateDir),
  'haltbox-bare': async stateDir => fromModule(HALTBOX_MODULE, stateDir),
};

export const makeSender = async (name, stateDir) => {
  if (name === 'slogfile' && !SLOGFILE) throw Error('SLOGFILE names no file');
  return makers[name](stateDir);
};
