/** What @agoric/telemetry passes to a slog sender module. */
export interface MakeSlogSenderOptions {
  /**
   * Default: `process.env`. Read are `HALTBOX` (`off` or `0`: not to record), `HALTBOX_DIR` (the folder of ring, boxes and
   * archive), `HALTBOX_SIZE` (bytes of the ring, such as `256MiB`), `HALTBOX_BACKGROUND` (`1`: threads of this process
   * freeze and archive; `0`: none do), `HALTBOX_ARCHIVE_BYTES` (with threads; `2GiB`, `0` for none) and `HALTBOX_ENGINE` (`auto`,
   * `map`, `queue` or `write`: how entries get into the ring's file). `HALTBOX_NODE_LOG` (a file), `HALTBOX_JOURNAL` (a unit),
   * `HALTBOX_RPC` and `HALTBOX_PEER_RPC` (URLs) start `haltbox record --attach` beside the ring, which freezes when they
   * report trouble; `HALTBOX_PROGRAM` is its path if `haltbox` is not on PATH.
   */
  env?: Record<string, string | undefined>;
  /** `<home>/data/agoric`: without `HALTBOX_DIR` the folder is `<home>/haltbox`. */
  stateDir?: string;
  serviceName?: string;
  [other: string]: unknown;
}

/** Records one entry. Never throws; waits for neither the disk nor another process. */
export interface SlogSender {
  /**
   * @param slogObj the entry
   * @param jsonObj its JSON; made from `slogObj` if it is missing
   */
  (slogObj: object, jsonObj?: string): void;
  /** Does nothing: recorded entries are in the ring already, and survive the process. */
  forceFlush: () => Promise<void>;
  /** Closes the ring. Later entries are not recorded. */
  shutdown: () => Promise<void>;
  usesJsonObject: true;
}

export type MakeSlogSender = (options?: MakeSlogSenderOptions) => Promise<SlogSender | undefined>;

/**
 * Opens or creates the ring. If that fails, prints one line on standard error and returns `undefined`: the host continues
 * without recording. With `HALTBOX=off` it returns `undefined` and prints nothing.
 */
export const makeSlogSender: MakeSlogSender;
