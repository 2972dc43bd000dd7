export type Platform = 'windows' | 'linux' | 'darwin' | 'android';

export interface Machine {
  /** Name in conf/<machinery>.conf; unique across all machinery. */
  readonly name: string;
  /** What the hypervisor calls it. */
  readonly label: string;
  readonly platform: Platform;
  readonly tags: readonly string[];
  /** IPv4 of the guest, as its own network sees it. */
  readonly ip: string;
  /** Where the guest finds the result server. */
  readonly resultServer: { readonly ip: string; readonly port: number };
  /** Snapshot with a booted OS and a listening agent; null = the machinery's own template. */
  readonly snapshot: string | null;
}

export type PowerState = 'off' | 'running' | 'paused' | 'error';

/** What one task needs of a machine. A named machine wins: platform and tags are then not looked at. */
export interface Requirements {
  readonly machine: string | null;
  readonly platform: string | null;
  readonly tags: readonly string[];
}

export function serves(machine: Machine, wants: Requirements): boolean {
  if (wants.machine !== null) return machine.label === wants.machine || machine.name === wants.machine;
  if (wants.platform !== null && machine.platform !== wants.platform) return false;
  return wants.tags.every((tag) => machine.tags.includes(tag));
}
