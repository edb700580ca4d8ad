// The compiled part, for the platform that runs.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// The C library shows when the dynamic linker tries: the other one's addon does not load.
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
