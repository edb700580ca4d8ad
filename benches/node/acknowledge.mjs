// node acknowledge.mjs SENDER SLOG STATE
//
// Hands entries to a sender as a kernel does, over and over, and says behind each call how many
// there were, until it is killed.
import '@endo/init';

import { readFileSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import { makeSender } from './senders.mjs';

const [sender, slog, stateDir] = process.argv.slice(2);
const entries = readFileSync(slog, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line));
const slogSender = await makeSender(sender, stateDir);
for (let given = 0; ; ) {
  for (const entry of entries) {
    slogSender(entry, JSON.stringify(entry));
    given += 1;
    writeSync(1, `${given}\n`);
    if (entry.type === 'crank-finish') await setImmediate();
    if (entry.type === 'cosmic-swingset-commit-block-finish') await slogSender.forceFlush();
  }
}
