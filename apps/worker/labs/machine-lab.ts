import type { HomePaths } from '#config/home.js';
import type { Settings } from '#config/settings.js';
import type { Machine } from '#domain/machine.js';
import type { Analyzer } from '#guest/analyzers.js';
import type { Machinery } from '#machinery/machinery.js';
import type { OpenOptions } from '#resultserver/resultserver.js';
import type { Log } from '../../log.js';
import { DEFAULT_GUEST, type GuestKind, type Lab } from '../lab.js';

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
  /** The machine runs no more: what held its guest may go. Must not throw. */
  stopped?(machine: Machine): void;
  /** Its guests are their operator's, on networks of the host. Absent: they are the default guest, or play it. */
  readonly own?: OwnGuests;
}

export interface OwnGuests {
  /** Where the guests look for the result server: it must listen there. One may be named several times. */
  readonly resultServers: readonly { readonly ip: string; readonly port: number }[];
  /** Whether the guest is known to the result server by its address; else its connections come another way. */
  byAddress(machine: Machine): boolean;
  /** Route of tasks that do not ask for one. */
  route(machine: Machine): string;
  /** What is brought along to the machine's guest; null: its agent has an analyzer. */
  analyzer(machine: Machine): Analyzer | null;
  /** What to do when it has none. */
  bring(machine: Machine): string;
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

/** How a guest's uploads come: those of the default guest through its own network (see openNetwork), in our dialect. */
export function channelOf({ own }: MachineLab, machine: Machine): Pick<OpenOptions, 'dialect' | 'guestIp'> {
  if (own === undefined) return { dialect: 'malkoha', guestIp: null };
  return {
    dialect: own.analyzer(machine)?.dialect ?? 'malkoha',
    guestIp: own.byAddress(machine) ? machine.ip : null,
  };
}

/** What is known of the machine's guest. */
export function guestOf({ own }: MachineLab, machine: Machine): GuestKind {
  if (own === undefined) return DEFAULT_GUEST;
  return {
    known: false,
    bundle: own.analyzer(machine),
    bring: own.bring(machine),
    route: own.route(machine),
  };
}
