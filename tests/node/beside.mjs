// Records the lines of its standard input, once it said that it does; ends in order with its input.
import { createInterface } from 'node:readline';
import { makeSlogSender } from '@haltbox/slog-sender';

const slogSender = await makeSlogSender({ env: process.env, stateDir: process.env.STATE_DIR });
if (!slogSender) process.exit(1);
console.log('recording');
for await (const line of createInterface({ input: process.stdin })) {
  slogSender(undefined, line);
}
await slogSender.shutdown();
