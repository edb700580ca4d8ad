/** What @agoric/telemetry hands to a slog sender module. */
export interface MakeSlogSenderOptions {
  /**
   * Default: `process.env`. Read are `HALTBOX` (`off` or `0`: not to record), `HALTBOX_DIR` (the folder of ring, boxes and
   * archive), `HALTBOX_SIZE` (bytes of the ring, such as `256MiB`), `HALTBOX_BACKGROUND` (`1`: threads of this process
   * freeze and archive; `0`: none do), `HALTBOX_ARCHIVE_BYTES` (with them; `2GiB`, `0` for none) and `HALTBOX_ENGINE` (`auto`,
   * `map`, `queue` or `write`: how entries get into the ring's file). `HALTBOX_NODE_LOG` (a file), `HALTBOX_JOURNAL` (a unit),
   * `HALTBOX_RPC` and `HALTBOX_PEER_RPC` (URLs) start `haltbox record --attach` beside the ring, which freezes by what they
   * tell; `HALTBOX_PROGRAM` is its path where `haltbox` is not on PATH.
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
   * @param jsonObj its JSON; made of `slogObj` if it is not given
   */
  (slogObj: object, jsonObj?: string): void;
  /** Waits for nothing: what was recorded is in the ring, and outlives the process. */
  forceFlush: () => Promise<void>;
  /** Closes the ring in order; entries that come later are not recorded. */
  shutdown: () => Promise<void>;
  usesJsonObject: true;
}

export type MakeSlogSender = (options?: MakeSlogSenderOptions) => Promise<SlogSender | undefined>;

/**
 * Opens or makes the ring. Gives `undefined`, and one line on standard error, where it cannot be had: the host goes on
 * without. With `HALTBOX=off` there is no line.
 */
export const makeSlogSender: MakeSlogSender;
