// Records numbered entries from FROM on, and says each number behind the call that recorded it, until it is killed.
import { writeSync } from 'node:fs';
import { makeSlogSender } from '@haltbox/slog-sender';

writeSync(1, 'opening\n');
const slogSender = await makeSlogSender({ env: process.env, stateDir: process.env.STATE_DIR });
if (!slogSender) process.exit(1);
for (let number = Number(process.argv[2]); ; number += 1) {
  const entry = { type: 'numbered', number, pad: 'é'.repeat((number * 7919) % 1000) };
  slogSender(entry, JSON.stringify(entry));
  writeSync(1, `${number}\n`);
}
