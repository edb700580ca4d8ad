// Loads the compiled part for this platform.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// Which C library is in use shows only when the dynamic linker tries: the addon of the other one does not load.
const LIBRARIES = ['gnu', 'musl'];

/** @returns {{ open: Function }} */
export const loadAddon = () => {
  const failures = [];
  for (const library of LIBRARIES) {
    const name = `${process.platform}-${process.arch}-${library}`;
    try {
      return require(`./prebuilds/${name}/haltbox.node`);
    } catch (error) {
      failures.push(error.code === 'MODULE_NOT_FOUND' ? `none for ${name}` : error.message);
    }
  }
  throw Error(`no addon of this package fits this platform (${failures.join('; ')})`);
};
