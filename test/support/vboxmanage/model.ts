/** `machineStateToName(…, short)` of VBoxManageInfo.cpp: the words of `VMState`. Those that a fake machine can be in. */
export type VmState =
  | 'poweroff'
  | 'saved'
  | 'aborted'
  | 'running'
  | 'paused'
  | 'gurumeditation'
  | 'starting'
  | 'stopping'
  | 'restoring'
  | 'restoringsnapshot'
  | 'onlinesnapshotting'
  | 'snapshotting';

export type SessionState = 'Unlocked' | 'Spawning' | 'Locked' | 'Unlocking';

export interface FakeSnapshot {
  readonly name: string;
  readonly uuid: string;
  readonly description: string;
  /** Taken of a running machine: restoring it leaves the machine saved, else powered off. */
  readonly live: boolean;
  readonly children: FakeSnapshot[];
}

/** What will be so at `at` (ms since the epoch), whoever looks then. */
export interface Transition {
  readonly at: number;
  readonly state?: VmState;
  readonly session?: SessionState;
}

export interface FakeVm {
  readonly name: string;
  readonly uuid: string;
  readonly accessible: boolean;
  /** MiB. */
  readonly memory: number;
  /** `hostonlyadapter1`. */
  readonly adapter: string;
  /** `nic1`, `nic2` … */
  readonly nics: readonly string[];
  state: VmState;
  /** ms since the epoch. */
  changed: number;
  session: SessionState;
  frontend: string;
  vrde: { on: boolean; port: string; multiple: boolean; address: string };
  trace: { file: string; on: boolean };
  root: FakeSnapshot | null;
  /** UUID of the current snapshot. */
  current: string | null;
  pending: Transition[];
}

/** What a command does instead of what it should. */
export interface Fault {
  /** The first words of the command; `*` is any word. */
  readonly command: readonly string[];
  /**
   * - `hang`: never ends, and does nothing
   * - `hang-after`: does it, and never ends
   * - `exit-0`: does nothing, writes `errors` and exits with 0
   * - `exit-1`: does nothing, writes `errors` and exits with 1
   * - `slow`: does it after `ms`
   */
  readonly kind: 'hang' | 'hang-after' | 'exit-0' | 'exit-1' | 'slow';
  /** After the prefix `VBoxManage: error: `. */
  readonly errors?: readonly string[];
  readonly ms?: number;
  /** How often it happens yet; null: always. */
  times: number | null;
}

export interface FakeHost {
  /** What -v says. */
  version: string;
  /** Lines end as on Windows, and errors begin with `VBoxManage.exe:`. */
  windows: boolean;
  /** Where progress is written: stderr since 4.3, stdout before. */
  progress: 'stderr' | 'stdout';
  /** How long a session is being unlocked after the machine is off. ms */
  unlockingMs: number;
  /** How long starting, stopping, restoring … can be seen. ms */
  transientMs: number;
  /** In transient states showvminfo fails: The object is not ready. */
  deniedInTransit: boolean;
  /** startvm says it has started the machine while it is still starting. */
  earlyStart: boolean;
  /** What a memory dump is like. */
  dump: 'whole' | 'truncated' | 'missing' | 'no-elf';
  /** The sub-command that this version has. */
  dumpCommand: 'dumpvmcore' | 'dumpguestcore';
  faults: Fault[];
  machines: FakeVm[];
}

/** What a test may leave to us. */
export type VmGiven = Partial<FakeVm> & {
  readonly name: string;
  /** Each taken after the one before; the last is the current one. */
  readonly snapshots?: readonly SnapshotGiven[];
};

export type SnapshotGiven = Partial<FakeSnapshot> & { readonly name: string };

let made = 0;
const newUuid = () => `00000000-0000-4000-8000-${(++made).toString(16).padStart(12, '0')}`;

/** A machine that is off. */
export function aVm({ snapshots = [], ...given }: VmGiven): FakeVm {
  const all = snapshots.map((snapshot) => ({
    ...EMPTY_SNAPSHOT,
    uuid: newUuid(),
    children: [],
    ...snapshot,
  }));
  const root = all.reduceRight<FakeSnapshot | null>(
    (child, snapshot) => ({ ...snapshot, children: child === null ? [] : [child] }),
    null,
  );
  return {
    ...{
      uuid: newUuid(),
      accessible: true,
      memory: 64,
      adapter: 'vboxnet0',
      nics: ['hostonly'],
      state: 'poweroff',
    },
    ...{ changed: Date.now(), session: 'Unlocked', frontend: '', pending: [] },
    vrde: { on: false, port: '3389', multiple: false, address: '' },
    trace: { file: '', on: false },
    root,
    current: all.at(-1)?.uuid ?? null,
    ...given,
  };
}

const EMPTY_SNAPSHOT = { description: '', live: true };

export function aHost(given: Partial<FakeHost> = {}): FakeHost {
  return {
    ...{ version: '7.2.20r170000', windows: false, progress: 'stderr', unlockingMs: 0, transientMs: 0 },
    ...{ deniedInTransit: false, earlyStart: false, dump: 'whole', dumpCommand: 'dumpvmcore' },
    ...{ faults: [], machines: [] },
    ...given,
  };
}

/** Every snapshot with the suffix its keys have in machine-readable output: none, -1, -1-1, -1-2 … */
export function* tree(
  snapshot: FakeSnapshot | null,
  node = '',
): Generator<{ readonly snapshot: FakeSnapshot; readonly node: string }> {
  if (snapshot === null) return;
  yield { snapshot, node };
  for (const [at, child] of snapshot.children.entries()) yield* tree(child, `${node}-${at + 1}`);
}
