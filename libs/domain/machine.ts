export type Platform = 'windows' | 'linux' | 'darwin' | 'android';

export interface Machine {
  /** Name in conf/<machinery>.conf; unique across all machinery. */
  readonly name: string;
  /** What the hypervisor calls it. */
  readonly label: string;
  readonly platform: Platform;
  /** What its processor is called: x64, x86, arm64 … */
  readonly arch: string;
  readonly tags: readonly string[];
  /** Kept for tasks that ask for it, by its name or by one of its tags. */
  readonly reserved: boolean;
  /** IPv4 of the guest, as its own network sees it. */
  readonly ip: string;
  /** Where the guest finds the result server. */
  readonly resultServer: { readonly ip: string; readonly port: number };
  /** Snapshot with a booted OS and a listening agent; null = the machinery's own template. */
  readonly snapshot: string | null;
}

/** A machine that the operator made: it lives on a network of the host, where others can see it. */
export interface OwnMachine extends Machine {
  /** Interface of the host that the guest is behind: a bridge, or a host-only network. Empty: none is known. */
  readonly interface: string;
  /** Cuckoo's flags: `nictrace`, `noagent`. */
  readonly options: readonly string[];
  /** TCP port of its agent. */
  readonly agentPort: number;
}

/**
 * What its pool does with a machine:
 *
 * - `ready`: free, restored and paused; starting it only resumes it
 * - `free`: off; starting it restores it first
 * - `leased`: a task has it
 * - `restoring`: being made ready, or waiting for its turn to be
 * - `quarantined`: did not start, stop or restore; tested again
 * - `disabled`: taken out by an operator, or its worker has ended
 */
export const MACHINE_STATES = ['ready', 'free', 'leased', 'restoring', 'quarantined', 'disabled'] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

export type PowerState = 'off' | 'running' | 'paused' | 'error';

/** What one task needs of a machine. A named machine wins: the rest is then not looked at. */
export interface Requirements {
  readonly machine: string | null;
  readonly platform: string | null;
  readonly arch: string | null;
  readonly tags: readonly string[];
}

/** What decides which tasks a machine serves; one of an independent node may not say what label or architecture it has. */
export interface MachineTraits extends Pick<Machine, 'name' | 'tags' | 'reserved'> {
  readonly label: string | null;
  readonly platform: string;
  readonly arch: string | null;
}

export function serves(machine: MachineTraits, wants: Requirements): boolean {
  if (wants.machine !== null) return machine.label === wants.machine || machine.name === wants.machine;
  if (wants.platform !== null && machine.platform !== wants.platform) return false;
  if (wants.arch !== null && !runs(machine.arch, wants.arch)) return false;
  if (machine.reserved && wants.tags.length === 0) return false;
  return wants.tags.every((tag) => machine.tags.includes(tag));
}

/** 64-bit systems run programs for the 32-bit processor before theirs; the other way round they do not. */
function runs(arch: string | null, wanted: string): boolean {
  return arch === wanted || (arch === 'x64' && wanted === 'x86');
}

/** What was asked for, to end a sentence that begins with "no machine". */
export function wanted({ machine, platform, arch, tags }: Requirements): string {
  if (machine !== null) return `is named ${JSON.stringify(machine)}`;
  const what = [
    ...(platform === null ? [] : [`runs ${platform}`]),
    ...(arch === null ? [] : [`has the architecture ${arch}`]),
    ...(tags.length === 0 ? [] : [`has the tags ${tags.join(', ')}`]),
  ];
  return what.length === 0 ? 'is open to any task' : what.join(' and ');
}
