// Sends the entries of a slog to a sender that writes a gzip file for each block, as a node does: block-feed.mjs SLOG FOLDER [HEIGHT].
// With HEIGHT from that block's first entry on. BLOCK_SLOG names Agoric's own sender (packages/telemetry/src/block-slog.js, since April
// 2026, in no npm package yet); without it a stand-in does what that does: one file from the first entry of a part to its last, what
// the compressor holds is in the file when it gives it out or the file is closed, and an entry between two files is nowhere.
import { createWriteStream, readFileSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { createGzip } from 'node:zlib';

const BEGINS = {
  'kernel-init-start': () => 'init',
  'cosmic-swingset-bootstrap-block-start': () => 'bootstrap',
  'cosmic-swingset-upgrade-start': () => 'upgrade',
  'cosmic-swingset-begin-block': ({ blockHeight }) => `block_${blockHeight}`,
};
const ENDS = [
  'kernel-init-finish',
  'cosmic-swingset-bootstrap-block-finish',
  'cosmic-swingset-upgrade-finish',
  'cosmic-swingset-after-commit-stats',
];

const makeStandIn = ({ stateDir }) => {
  let gzip, written;
  let queue = Promise.resolve();
  const end = async () => {
    gzip?.end();
    gzip = undefined;
    await written;
  };
  const send = async entry => {
    const part = BEGINS[entry.type]?.(entry);
    if (part) {
      const file = createWriteStream(`${stateDir}/slogfile_${part}_${Date.now()}.gz`);
      gzip = createGzip();
      written = finished(gzip.pipe(file));
    }
    if (gzip && !gzip.write(`${JSON.stringify(entry)}\n`)) {
      await new Promise(resolve => gzip.once('drain', resolve));
    }
    if (ENDS.includes(entry.type)) await end();
  };
  const sender = entry => {
    queue = queue.then(() => send(entry));
  };
  return Object.assign(sender, { shutdown: () => queue.then(end) });
};

const [slog, stateDir, from] = process.argv.slice(2);
const { BLOCK_SLOG } = process.env;
const { makeSlogSender } = BLOCK_SLOG ? await import(BLOCK_SLOG) : { makeSlogSender: makeStandIn };
const sender = await makeSlogSender({ stateDir, env: process.env });
const entries = readFileSync(slog, 'utf8').split('\n').filter(line => line !== '').map(line => JSON.parse(line));
const begins = ({ type, blockHeight }) => type === 'cosmic-swingset-begin-block' && blockHeight === Number(from);
const first = from === undefined ? 0 : entries.findIndex(begins);
for (const [n, entry] of entries.slice(first).entries()) {
  sender(entry);
  // A kernel waits for its workers and the disk: the sender has its turns.
  if (n % 8 === 0) await setImmediate();
  if (ENDS.includes(entry.type)) await setTimeout(60);
}
// Its own shutdown fails while it is still closing its last file.
await setTimeout(BLOCK_SLOG ? 500 : 0);
await sender.shutdown().catch(() => {});
