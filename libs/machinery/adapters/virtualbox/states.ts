import type { PowerState } from '#domain/machine.js';
import { pause } from './pause.js';
import type { VBoxManage } from './vboxmanage.js';

/** `VMState` of a machine without a process. */
const OFF: ReadonlySet<string> = new Set(['poweroff', 'saved', 'teleported', 'aborted', 'aborted-saved']);

/** Of one that has a process and will stay as it is. */
const ON: Readonly<Record<string, PowerState>> = {
  running: 'running',
  paused: 'paused',
  // The virtual processor met what it cannot go on from.
  gurumeditation: 'error',
};

/** How a machine is: its word for it, since when, what that is to us (null while it is changing), and all else said of it. */
export interface Observed {
  readonly word: string;
  readonly since: string;
  readonly power: PowerState | null;
  readonly info: ReadonlyMap<string, string>;
}

export async function observe(manage: VBoxManage, vm: string, signal: AbortSignal): Promise<Observed> {
  const info = await manage.info(vm, signal);
  const word = (info.get('VMState') ?? 'unknown').toLowerCase();
  const since = info.get('VMStateChangeTime') ?? '';
  if (OFF.has(word)) return { word, since, power: 'off', info };
  return { word, since, power: ON[word] ?? null, info };
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * Looks until the machine is in no transient state (VirtualBox tells nobody of a change).
 *
 * @param told learns what was seen last, for messages
 */
export async function settled(
  manage: VBoxManage,
  vm: string,
  signal: AbortSignal,
  told?: (seen: Observed) => void,
): Promise<Observed & { readonly power: PowerState }> {
  for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(ms * 1.5, LONGEST_PAUSE_MS)) {
    const seen = await observe(manage, vm, signal);
    told?.(seen);
    const { power } = seen;
    if (power !== null) return { ...seen, power };
    await pause(ms, signal);
  }
}
