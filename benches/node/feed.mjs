// node feed.mjs SENDER SLOG STATE burst|cranks|slices
//
// Hands the entries of a slog to a sender: as fast as it takes them (burst); with a turn of the event
// loop after each crank, as a kernel has it (cranks); or in slices, of which each is also turned to
// JSON alone (slices). Prints what that took, as JSON.
import '@endo/init';

import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import { makeSender } from './senders.mjs';

const WARM_UP = 5000;
const SLICE = 1000;

const [sender, slog, stateDir, pace] = process.argv.slice(2);
const entries = readFileSync(slog, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line));

/** Seconds of the main thread on a core: unlike the clock, it does not see what else the machine does. */
const threadSeconds = () => {
  const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(nanoseconds) / 1e9;
};

const burst = async slogSender => {
  for (const entry of entries) slogSender(entry, JSON.stringify(entry));
};

const blocked = new Float64Array(entries.length);

const byCranks = async slogSender => {
  for (let at = 0; at < entries.length; at += 1) {
    const json = JSON.stringify(entries[at]);
    const begun = process.hrtime.bigint();
    slogSender(entries[at], json);
    blocked[at] = Number(process.hrtime.bigint() - begun);
    const { type } = entries[at];
    if (type === 'crank-finish') await setImmediate();
    if (type === 'cosmic-swingset-commit-block-finish') await slogSender.forceFlush();
  }
};

const nanoseconds = work => {
  const begun = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begun);
};

const middle = numbers => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** The middle one of the slices: what else the machine does disturbs some, not most. */
const ratios = [];
const inSlices = slogSender => {
  for (let at = 0; at + SLICE <= entries.length; at += SLICE) {
    const slice = entries.slice(at, at + SLICE);
    const alone = () => slice.forEach(entry => JSON.stringify(entry));
    const whole = () => slice.forEach(entry => slogSender(entry, JSON.stringify(entry)));
    // The second one finds the entries in the processor's caches: each is second every other time.
    const wholeFirst = at % (2 * SLICE) === 0;
    const first = nanoseconds(wholeFirst ? whole : alone);
    const second = nanoseconds(wholeFirst ? alone : whole);
    ratios.push(wholeFirst ? first / second : second / first);
  }
};

const paces = { burst, cranks: byCranks, slices: inSlices };
for (const entry of entries.slice(0, WARM_UP)) JSON.stringify(entry);
const slogSender = await makeSender(sender, stateDir);
const [begun, threadBegun] = [process.hrtime.bigint(), threadSeconds()];
await paces[pace](slogSender);
await slogSender.forceFlush();
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
const thread = threadSeconds() - threadBegun;
const status = readFileSync('/proc/self/status', 'utf8');
await slogSender.shutdown();

blocked.sort();
const share = part => blocked[Math.min(blocked.length - 1, Math.floor(blocked.length * part))];
const kib = name => Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))[1]);
console.log(
  JSON.stringify({
    records: entries.length,
    seconds,
    thread,
    p50: share(0.5),
    p99: share(0.99),
    max: share(1),
    ratio: middle(ratios),
    peakKib: kib('VmHWM'),
    fileKib: kib('RssFile') + kib('RssShmem'),
  }),
);
