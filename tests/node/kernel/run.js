// STATE_DIR=FOLDER node --expose-gc run.js BLOCKS ACTIONS [SENDER]
//
// Runs the kernel whose database `prepare.js` made in this folder for a number of blocks, as
// cosmic-swingset would: its entries around the blocks, the actions of a block, the commit.
// SENDER is a module that exports `makeSlogSender`, as SLOGSENDER names one; without it the
// kernel writes no slog. Prints what the kernel computed and how long that took, as JSON.
import '@endo/init';

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';

import { openSwingStore } from '@agoric/swing-store';
import { makeSwingsetController } from '@agoric/swingset-vat';

const [blocks, actions, sender] = process.argv.slice(2);
const { env } = process;
const { STATE_DIR: state } = env;

const makeSender = async () => {
  if (!sender) return undefined;
  const { makeSlogSender } = await import(path.resolve(sender));
  return makeSlogSender({ env, stateDir: state, serviceName: 'kernel-run' });
};

/** The hashes come from the store itself, so that they are there without a slog too. */
const listening = (kernelStorage, crankhashes) => ({
  ...kernelStorage,
  emitCrankHashes: () => {
    const hashes = kernelStorage.emitCrankHashes();
    crankhashes.push(hashes.crankhash);
    return hashes;
  },
});

const runPhase = async (controller, blockHeight, runNum, phase) =>
  controller.slogDuration(
    ['cosmic-swingset-run-start', 'cosmic-swingset-run-finish'],
    { blockHeight, runNum, phase },
    async () => {
      await controller.run();
      controller.writeSlogObject({ type: 'kernel-stats', stats: controller.getStats() });
    },
  );

const execute = async (controller, block) => {
  const { blockHeight } = block;
  await runPhase(controller, blockHeight, 0, 'leftover');
  for (let action = 1; action <= Number(actions); action += 1) {
    const inboundNum = `${blockHeight}-${action}-`;
    const body = { blockHeight, action };
    controller.writeSlogObject({ type: 'cosmic-swingset-bridge-inbound', inboundNum, source: 'test', body });
    controller.queueToVatRoot('bootstrap', 'act', [blockHeight, action]);
    await runPhase(controller, blockHeight, action, 'inbound');
  }
};

const runBlock = async (controller, store, slogSender, blockHeight) => {
  const block = { blockHeight, blockTime: 1_700_000_000 + blockHeight * 6 };
  controller.writeSlogObject({ type: 'cosmic-swingset-begin-block', ...block });
  await controller.slogDuration(
    ['cosmic-swingset-end-block-start', 'cosmic-swingset-end-block-finish'],
    block,
    () => execute(controller, block),
  );
  await controller.slogDuration(
    ['cosmic-swingset-commit-block-start', 'cosmic-swingset-commit-block-finish'],
    block,
    () => store.hostStorage.commit(),
  );
  await slogSender?.forceFlush?.();
};

const kernelBundle = JSON.parse(fs.readFileSync(path.join(state, 'kernel-bundle.json'), 'utf8'));
const store = openSwingStore(state);
const slogSender = await makeSender();
let entries = 0;
const counting = slogSender && ((...args) => ((entries += 1), slogSender(...args)));

const crankhashes = [];
const controller = await makeSwingsetController(
  listening(store.kernelStorage, crankhashes),
  { tape: {} },
  { kernelBundle, slogSender: counting, env: {} },
);
const start = performance.now();
const before = process.cpuUsage();
for (let height = 1; height <= Number(blocks); height += 1) {
  await runBlock(controller, store, slogSender, height);
}
const seconds = (performance.now() - start) / 1000;
const cpu = process.cpuUsage(before);
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
const activityhash = controller.getActivityhash();
await controller.shutdown();
await slogSender?.shutdown?.();
await store.hostStorage.close();

const cranks = crankhashes.length;
const digest = createHash('sha256').update(crankhashes.join('\n')).digest('hex');
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ seconds, cpuSeconds, entries, cranks, crankhashes: digest, activityhash, peakMiB }));
