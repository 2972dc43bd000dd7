import type { HomePaths } from '#config/home.js';
import type { MachineryName } from '#config/machineries.js';
import type { Settings } from '#config/settings.js';
import { PATH } from '#machinery/adapters/qemu/program.js';

/** What runs on the home folder: its ports are no fault, and its machines are its own. */
export interface RunningLab {
  readonly what: 'daemon' | 'worker';
  readonly pid: number;
}

/** Whom programs are started as, when not as ourselves. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** What the host is asked through: another one in tests, where a fault is only injected here. */
export interface Host {
  /** Folders of programs, joined by colons. */
  readonly path: string;
  /** Of this process, in the words of proc(5): its limits. */
  readonly limitsFile: string;
  readonly nodeVersion: string;
  readonly now: () => number;
  readonly runAs: RunAs | null;
}

export const THIS_HOST: Host = {
  path: PATH,
  limitsFile: '/proc/self/limits',
  nodeVersion: process.version,
  now: Date.now,
  runAs: null,
};

/** What is looked at, once the configuration is read. */
export interface Configured {
  /** With storage where `[artifacts] location` has it. */
  readonly home: HomePaths;
  readonly settings: Settings;
  /** What `[cuckoo] machinery` names, or the option in its place. */
  readonly machinery: readonly MachineryName[];
  readonly running: RunningLab | null;
  readonly host: Host;
}
