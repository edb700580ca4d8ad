// Chooses where to record, by the environment and the node's folders.
import path from 'node:path';

/** HALTBOX=off or 0: the node runs as if this package were not there. */
export const isOff = env => ['off', '0'].includes(`${env.HALTBOX ?? ''}`.toLowerCase());

/**
 * The folder of ring, boxes and archive. Agoric passes `<home>/data/agoric` as stateDir. Operators reset or replace `data`,
 * often when the recording is needed most, so the folder stands beside it.
 *
 * @param {Record<string, string | undefined>} env
 * @param {string} [stateDir]
 * @returns {string | undefined}
 */
export const folderFor = (env, stateDir) => {
  if (env.HALTBOX_DIR) return path.resolve(env.HALTBOX_DIR);
  if (!stateDir) return undefined;
  const parts = path.resolve(stateDir).split(path.sep);
  const data = parts.lastIndexOf('data');
  const home = data < 0 ? parts : parts.slice(0, data);
  return path.join(path.sep, ...home, 'haltbox');
};
