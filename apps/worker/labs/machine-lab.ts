import type { HomePaths } from '#config/home.js';
import type { Settings } from '#config/settings.js';
import type { Machine } from '#domain/machine.js';
import type { Machinery } from '#machinery/machinery.js';
import type { Log } from '../../log.js';
import type { Lab } from '../lab.js';

/** What one kind of machinery needs to be opened. */
export interface MachineLabOptions {
  readonly home: HomePaths;
  readonly settings: Settings;
  /** Sockets and work folders of running machines. */
  readonly runDir: string;
  /** How many default machines; undefined: as many as its own .conf file says. */
  readonly machines: number | undefined;
  /** Put before the names of default machines, which must differ from those of other workers. */
  readonly namePrefix: string;
  /** Other machinery runs beside it. */
  readonly mixed: boolean;
  readonly log: Log;
  /** `lasting` lines stay on a person's screen; the others say what goes on now. */
  readonly onProgress: (line: string, lasting: boolean) => void;
}

/** One kind of machinery, with its machines' networks and the way to their agents. */
export interface MachineLab extends AsyncDisposable, Pick<Lab, 'openNetwork' | 'agent'> {
  readonly machinery: Machinery;
}

export type OpenMachineLab = (options: MachineLabOptions, signal: AbortSignal) => Promise<MachineLab>;

/** `linux1` of worker `b` is `b-linux1`. */
export function prefixed(machines: readonly Machine[], prefix: string): readonly Machine[] {
  return machines.map((machine) => ({
    ...machine,
    name: prefix + machine.name,
    label: prefix + machine.label,
  }));
}
