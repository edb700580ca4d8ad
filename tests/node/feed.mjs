// Sends the entries of a slog through Agoric's aggregator, as the kernel does, and tells how it went in one line of JSON.
import '@endo/init';
import { readFileSync } from 'node:fs';
import { makeSlogSender } from '@agoric/telemetry';

const { STATE_DIR: stateDir } = process.env;
const slogSender = await makeSlogSender({ stateDir, env: process.env, serviceName: 'test' });
const lines = readFileSync(process.argv[2], 'utf8').split('\n').filter(line => line !== '');
const changed = [];
for (const line of lines) {
  const entry = JSON.parse(line);
  if (JSON.stringify(entry) !== line) changed.push(line);
  slogSender?.(entry);
}
await slogSender?.forceFlush();
await slogSender?.shutdown();
console.log(JSON.stringify({ sends: slogSender !== undefined, sent: lines.length, changed: changed.length }));
