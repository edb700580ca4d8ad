// Workers that record, with the recorder's own thread, and are ended at any moment: the process goes on, and tells whether
// the addon is still mapped.
import { readFileSync } from 'node:fs';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { setTimeout } from 'node:timers/promises';
import { makeSlogSender } from '@haltbox/slog-sender';

if (isMainThread) {
  for (let round = 0; round < 10; round += 1) {
    const worker = new Worker(new URL(import.meta.url));
    await new Promise(resolve => worker.once('message', resolve));
    await setTimeout(30 * round);
    await worker.terminate();
  }
  console.log(readFileSync('/proc/self/maps', 'utf8').includes('/haltbox.node') ? 'mapped' : 'gone');
} else {
  const slogSender = await makeSlogSender({ env: process.env, stateDir: process.env.STATE_DIR });
  slogSender({ type: 'worker' });
  parentPort.postMessage('recording');
  for (;;) slogSender({ type: 'worker', text: 'x'.repeat(500) });
}
