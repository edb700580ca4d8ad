// Writes a slog as Agoric's node does with SLOGFILE set: the file is opened for appending, every entry goes into one
// fs.WriteStream without waiting for the one before, and after each block's commit the file is synced before the next
// block begins. Blocks of a real slog are repeated with heights, times and numbers going up, at a given pace.
//
//   SLOGFILE=FILE node slog-file-writer.mjs --input SLOG --rate MB/s --seconds N [--from HEIGHT]
//
// Ends by itself, or at SIGTERM, behind a whole block, and prints one line of JSON: what was written, and how long
// writes, backpressure, syncs and the event loop took, in milliseconds.
import { open, readFile, stat } from 'node:fs/promises';
import { createHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    input: { type: 'string' },
    rate: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '5' },
    from: { type: 'string' },
  },
});
const path = process.env.SLOGFILE;
const bytesPerMs = Number(options.rate) * 1e3;
const lastMs = Number(options.seconds) * 1e3;
// The kernel awaits workers all the time: no more than this is written between two turns of the event loop.
const BURST = 64 * 1024;

/** The whole blocks of a slog, each from its begin-block to what follows its commit. */
const blocksOf = text => {
  const blocks = [];
  for (const line of text.split('\n').filter(l => l !== '')) {
    if (line.startsWith('{"type":"cosmic-swingset-begin-block"')) blocks.push([]);
    blocks.at(-1)?.push(line);
  }
  const whole = blocks.filter(b => b.some(l => l.startsWith('{"type":"cosmic-swingset-commit-block-finish"')));
  return whole.map(lines => ({ lines, crank: Number(/"crankNum":(\d+)/.exec(lines.join('\n'))?.[1] ?? 0) }));
};

const NUMBERS = /"(blockHeight|blockTime|crankNum)":(\d+)|"inboundNum":"\d+-/g;

/** A line as if its block had another height. */
const moved = (line, height, crank) =>
  line.replace(NUMBERS, (_, name, number) => {
    switch (name) {
      case 'blockHeight':
        return `"blockHeight":${height}`;
      case 'blockTime':
        return `"blockTime":${1700000000 + 6 * height}`;
      case 'crankNum':
        return `"crankNum":${height * 10000 + Number(number) - crank}`;
      default:
        return `"inboundNum":"${height}-`;
    }
  });

/** The height that a restarted node goes on with: behind the last commit that its file tells of. */
const nextHeight = async () => {
  if (options.from !== undefined) return Number(options.from);
  const size = await stat(path).then(found => found.size, () => 0);
  if (size === 0) return 1;
  const file = await open(path, 'r');
  const tail = Buffer.alloc(Math.min(size, 16 << 20));
  await file.read(tail, 0, tail.length, size - tail.length);
  await file.close();
  const commits = [...tail.toString().matchAll(/"cosmic-swingset-commit-block-finish","blockHeight":(\d+)/g)];
  return commits.length ? Number(commits.at(-1)[1]) + 1 : 1;
};

const blocks = blocksOf(await readFile(options.input, 'utf8'));
let height = await nextHeight();

const handle = await open(path, 'a');
const stream = handle.createWriteStream({ flush: true });
const [writes, drains, syncs] = [createHistogram(), createHistogram(), createHistogram()];
const loop = monitorEventLoopDelay({ resolution: 5 });
loop.enable();
const since = begun => Math.max(1, Math.round((performance.now() - begun) * 1e6));
let [bytes, lines, buffered, failed] = [0, 0, 0, undefined];
stream.on('error', error => (failed = String(error)));

let written = Promise.resolve();
const write = line => {
  const begun = performance.now();
  bytes += Buffer.byteLength(line) + 1;
  lines += 1;
  written = new Promise(resolve => {
    const room = stream.write(`${line}\n`, error => {
      if (error) failed = String(error);
      writes.record(since(begun));
      resolve();
    });
    if (!room && stream.listenerCount('drain') === 0) stream.once('drain', () => drains.record(since(begun)));
  });
  buffered = Math.max(buffered, stream.writableLength);
};

const sync = async () => {
  await written;
  const begun = performance.now();
  await handle.sync();
  syncs.record(since(begun));
};

let stopping = false;
process.on('SIGTERM', () => (stopping = true));
const start = performance.now();
const elapsed = () => performance.now() - start;

/** Waits until what was written is due. */
const pace = async () => {
  const ahead = bytes / bytesPerMs - elapsed();
  await (ahead > 1 ? setTimeout(ahead) : setImmediate());
};

write(`{"type":"kernel-init-start","time":${Date.now() / 1e3},"monotime":${start / 1e3}}`);
write(`{"type":"kernel-init-finish","time":${Date.now() / 1e3},"monotime":${start / 1e3}}`);
const first = height;
while (!stopping && failed === undefined && elapsed() < lastMs) {
  const block = blocks[height % blocks.length];
  let burst = bytes;
  for (const line of block.lines) {
    write(moved(line, height, block.crank));
    if (bytes - burst >= BURST) {
      burst = bytes;
      await pace();
    }
  }
  await sync();
  await pace();
  height += 1;
}
await written;
const ended = elapsed();
loop.disable();
await handle.sync();
await new Promise(resolve => stream.close(resolve));

const ms = ns => Math.round(ns / 1e3) / 1e3;
const told = h => ({ count: h.count, p99: ms(h.percentile(99)), p999: ms(h.percentile(99.9)), max: ms(h.count ? h.max : 0) });
const report = { bytes, lines, first, last: height - 1, seconds: ended / 1e3, buffered, failed };
console.log(JSON.stringify({ ...report, write: told(writes), drain: told(drains), sync: told(syncs), loop: told(loop) }));
