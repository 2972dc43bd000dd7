/** What the guest of one task may cost the host. Sizes in bytes (0 = no limit), times in milliseconds. */
export interface Limits {
  /** One upload by FILE: Cuckoo's `upload_max_size`. */
  readonly uploadBytes: number;
  /** One behaviour log or live trace. Cuckoo has no limit here, and a guest could fill the disk. */
  readonly streamBytes: number;
  /** The analyzer's log. */
  readonly logBytes: number;
  /** Everything one task stores. */
  readonly totalBytes: number;
  /** Files one task makes, of any kind. */
  readonly files: number;
  /** Connections open at a time. */
  readonly connections: number;
  /** Connections open at a time that have not sent their header. */
  readonly pending: number;
  /** Until the command line is there. */
  readonly commandMs: number;
  /** The same for CAPE, whose monitor connects before it has anything to say (spec protocols.md §1.12). */
  readonly capeCommandMs: number;
  /** From the command line to the end of the header. */
  readonly headerMs: number;
  /** Silence inside an upload by FILE; live streams may be silent for as long as they like. */
  readonly idleMs: number;
  /** At the end of the task: for what is still under way. */
  readonly closeMs: number;
  /** At the end of the task: silence after which nothing more is expected; a machine that is off sends no FIN. */
  readonly quietMs: number;
}

const MIB = 1024 * 1024;

/** From spec protocols.md §1.5 (upload_max_size), §8.4.1 (deadlines) and §8.4.2 (counts). */
export const DEFAULT_LIMITS: Limits = {
  uploadBytes: 128 * MIB,
  streamBytes: 512 * MIB,
  logBytes: 32 * MIB,
  totalBytes: 4096 * MIB,
  files: 20_000,
  connections: 256,
  pending: 32,
  commandMs: 30_000,
  capeCommandMs: 3_600_000,
  headerMs: 30_000,
  idleMs: 60_000,
  closeMs: 5_000,
  quietMs: 500,
};
