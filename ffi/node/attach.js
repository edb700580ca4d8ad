// The slog has no AppHash. So this starts `haltbox record --attach`, which follows the node's log, or asks nodes, and
// freezes when they report trouble. It is a separate process: it survives a node that is killed, and costs the node nothing.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

// The recorder that the previous process started may still be writing its last box.
const TRIES = 4;
const PAUSE_MS = 5000;
// A recorder that ran for this long had started successfully.
const RAN_MS = 60_000;

/**
 * What to follow, as options of `haltbox record --attach`.
 *
 * @param {Record<string, string | undefined>} env
 */
export const followed = env => {
  const { HALTBOX_NODE_LOG, HALTBOX_JOURNAL, HALTBOX_RPC, HALTBOX_PEER_RPC } = env;
  const peers = `${HALTBOX_PEER_RPC ?? ''}`.split(/[\s,]+/).filter(url => url !== '');
  const given = [
    ['--node-log', HALTBOX_NODE_LOG && path.resolve(HALTBOX_NODE_LOG)],
    ['--journal', HALTBOX_JOURNAL],
    ['--rpc', HALTBOX_RPC],
    ...peers.map(url => ['--peer-rpc', url]),
  ];
  return given.filter(([_option, value]) => value).flat();
};

const lastLine = file => {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').at(-1).replace(/^haltbox(?:-record)?: /, '');
  } catch {
    return `see ${file}`;
  }
};

/**
 * Starts the attached recorder if there is anything to follow. Returns a function that ends it.
 *
 * @param {Record<string, string | undefined>} env
 * @param {string} dir
 * @param {(message: string) => void} say
 */
export const attachBeside = (env, dir, say) => {
  const options = followed(env);
  if (options.length === 0) return () => {};
  const program = env.HALTBOX_PROGRAM || 'haltbox';
  const archive = env.HALTBOX_ARCHIVE_BYTES ? ['--archive-bytes', env.HALTBOX_ARCHIVE_BYTES] : [];
  const words = ['record', '--attach', path.join(dir, 'ring'), ...archive, ...options];
  const log = path.join(dir, 'attached.log');
  let child;
  let ended = false;

  const start = tries => {
    if (ended) return;
    const begun = Date.now();
    try {
      // Not the node's own output: that may be the log that is followed.
      const said = openSync(log, 'a', 0o600);
      child = spawn(program, words, { cwd: dir, detached: true, env, stdio: ['ignore', said, said] });
      closeSync(said);
    } catch (error) {
      say(`the node's log is not followed: ${error.message}`);
      return;
    }
    child.on('error', error => say(`the node's log is not followed: ${program} cannot be started: ${error.message}`));
    child.on('exit', code => {
      if (ended || code === 0) return;
      const vain = Date.now() - begun < RAN_MS ? tries : 0;
      if (vain < TRIES) setTimeout(start, PAUSE_MS, vain + 1).unref();
      else say(`the node's log is not followed by what this process starts: ${lastLine(log)}`);
    });
    child.unref();
  };
  start(1);
  return () => {
    ended = true;
    child?.kill();
  };
};
