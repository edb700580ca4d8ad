// node --expose-gc prepare.js STATE
//
// Makes the database of a kernel that runs the vats of this folder, bootstrapped, and the kernel's
// own bundle beside it: what every run of the kernel begins with.
import '@endo/init';

import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

import { initSwingStore } from '@agoric/swing-store';
import { buildKernelBundles, initializeSwingset, makeSwingsetController } from '@agoric/swingset-vat';

const [state] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const source = name => ({ sourceSpec: path.join(here, name) });

fs.mkdirSync(state, { recursive: true });
const { kernel, ...kernelBundles } = await buildKernelBundles();
const store = initSwingStore(state);
const config = {
  bootstrap: 'bootstrap',
  defaultManagerType: 'local',
  // As cosmic-swingset has it: a vat is asked for its garbage every thousand deliveries.
  defaultReapInterval: 1000,
  vats: {
    bootstrap: { ...source('bootstrap.js'), parameters: { traders: 12 } },
    ledger: source('ledger.js'),
    market: source('market.js'),
  },
  devices: { tape: source('tape.js') },
};
await initializeSwingset(config, [], store.kernelStorage, { kernelBundles });
const controller = await makeSwingsetController(
  store.kernelStorage,
  { tape: {} },
  { kernelBundle: kernel, env: {} },
);
controller.pinVatRoot('bootstrap');
await controller.run();
await store.hostStorage.commit();
await controller.shutdown();
await store.hostStorage.close();
fs.writeFileSync(path.join(state, 'kernel-bundle.json'), JSON.stringify(kernel));
