import { tree, type FakeHost, type FakeSnapshot, type FakeVm, type VmState } from './model.js';
import { setState, withHost } from './store.js';
import { locked, noSnapshot, noSuchMachine } from './texts.js';

const ONLINE: ReadonlySet<VmState> = new Set([
  ...(['running', 'paused', 'gurumeditation', 'starting', 'stopping'] as const),
  ...(['restoring', 'onlinesnapshotting'] as const),
]);

const TRANSIENT: ReadonlySet<VmState> = new Set([
  ...(['starting', 'stopping', 'restoring'] as const),
  ...(['restoringsnapshot', 'onlinesnapshotting', 'snapshotting'] as const),
]);

/** What `list runningvms` lists. */
export const RUNNING: ReadonlySet<VmState> = new Set(['running', 'paused', 'onlinesnapshotting']);

export const isOnline = ({ state }: FakeVm) => ONLINE.has(state);
export const isTransient = ({ state }: FakeVm) => TRANSIENT.has(state);

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** By name or UUID. */
export function find({ machines }: FakeHost, id: string): FakeVm {
  const found = machines.find(({ name, uuid }) => name === id || uuid === id.replace(/^\{(.*)\}$/, '$1'));
  if (found) return found;
  throw noSuchMachine(id);
}

export function findSnapshot(vm: FakeVm, id: string): FakeSnapshot {
  for (const { snapshot } of tree(vm.root)) {
    if (snapshot.name === id || snapshot.uuid === id) return snapshot;
  }
  throw noSnapshot(id);
}

/** Shared: joins the session of a running machine; alone, it is a write lock. */
export function lockShared(vm: FakeVm, file: string): void {
  if (vm.session === 'Unlocking' || vm.session === 'Spawning') throw locked(vm, 'Shared', file);
}

export function lockForWriting(vm: FakeVm, file: string): void {
  if (vm.session !== 'Unlocked') throw locked(vm, 'Write', file);
}

/** The machine is in state `during` for as long as transient states last; then `after` is so, for whoever looks. */
export async function pass(
  id: string,
  during: VmState,
  after: { readonly state: VmState; readonly session: FakeVm['session'] },
): Promise<void> {
  const ms = withHost((host) => {
    const vm = find(host, id);
    setState(vm, during);
    const at = Date.now() + host.transientMs;
    vm.pending.push({ at, ...after });
    if (after.session === 'Unlocking') vm.pending.push({ at: at + host.unlockingMs, session: 'Unlocked' });
    return host.transientMs;
  });
  await sleep(ms);
}
