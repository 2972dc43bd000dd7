import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { HomePaths } from '#config/home.js';
import { MACHINERIES, machineryNames, type MachineryName } from '#config/machineries.js';
import type { Settings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { Machine, MachineState } from '#domain/machine.js';
import type { MachineStatus } from '#machinery/lease.js';
import { isFree } from '#machinery/pick.js';
import { MachinePool } from '#machinery/pool.js';
import type { MachineChange } from '#storage/machines.js';
import { ResultServer, type Results as StoredResults } from '#resultserver/resultserver.js';
import { Cleanup } from '../cleanup.js';
import type { Log } from '../log.js';
import { listenForOwnGuests, listenIfPossible } from './guest-ports.js';
import type { Lab, Results } from './lab.js';
import { channelOf, guestOf, type MachineLab, type OpenMachineLab } from './labs/machine-lab.js';
import { openTrialNetwork } from './trial-network.js';

/** Loaded when it is wanted: a fake lab must not wait for what only QEMU's needs. */
const LABS: Readonly<Record<MachineryName, () => Promise<OpenMachineLab>>> = {
  qemu: async () => (await import('./labs/qemu.js')).openQemuLab,
  kvm: async () => (await import('./labs/kvm.js')).openKvmLab,
  virtualbox: async () => (await import('./labs/virtualbox.js')).openVirtualBoxLab,
  fake: async () => (await import('./labs/fake.js')).openFakeLab,
};

/** What opens one kind of machinery. */
export function labOpener(kind: MachineryName): Promise<OpenMachineLab> {
  return LABS[kind]();
}

export interface LabOptions {
  readonly home: HomePaths;
  readonly settings: Settings;
  /** As in `[cuckoo] machinery`, which it takes the place of. */
  readonly machinery?: string | undefined;
  /** How many default machines of each machinery; else what its .conf file says. */
  readonly machines?: number | undefined;
  /** Put before the names of default machines, such as `b-`. */
  readonly namePrefix?: string | undefined;
  /** Sockets and work folders of running machines: of this worker alone. Else that of the home folder. */
  readonly runDir?: string | undefined;
  readonly log: Log;
  /** `lasting` lines stay on a person's screen; the others say what goes on now. */
  readonly onProgress: (line: string, lasting: boolean) => void;
}

export interface OpenLab extends Lab, AsyncDisposable {
  readonly machines: readonly Machine[];
  /** Told of every change of a machine's state. */
  onMachine: (name: string, change: MachineChange) => void;
  /** Told how much a guest has sent, once it can send no more. */
  onResultBytes: (bytes: number) => void;
  /** Tells the state of every machine as it is now. */
  tellAll(): void;
  /** Has not begun: its machines may be another worker's, until this one is registered with them. */
  readonly pool: MachinePool;
  /** The network of a machine that is tried out; see trial-network.ts. */
  openTrial(machine: Machine, signal: AbortSignal): Promise<AsyncDisposable>;
}

const CLOSE_TIMEOUT_MS = 30_000;

/** Restores at the same time: beyond half the processors they only slow each other down. */
function startLimit(configured: number): number {
  return Math.max(1, Math.min(configured, Math.floor(availableParallelism() / 2)));
}

/** Everything `detonate` needs on this host: machines of each machinery, their networks, the result server. */
export async function openLab(options: LabOptions, signal: AbortSignal): Promise<OpenLab> {
  const { home, settings, log, onProgress } = options;
  const kinds = wantedMachinery(options);
  await using cleanup = new Cleanup((error) => log('error', `while closing the lab: ${reason(error)}`));
  const labs: MachineLab[] = [];
  const labOf = new Map<string, MachineLab>();
  for (const kind of kinds) {
    const open = await labOpener(kind);
    const { runDir = home.run, namePrefix = '', machines } = options;
    const mixed = kinds.length > 1;
    const lab = await open({ home, settings, runDir, machines, namePrefix, mixed, log, onProgress }, signal);
    labs.push(cleanup.use(lab));
    for (const { name } of lab.machinery.machines) labOf.set(name, lab);
  }
  const resultServer = cleanup.use(
    new ResultServer({ limits: { uploadBytes: settings.cuckoo.resultserver.upload_max_size } }),
  );
  const onProblem = (line: string, code: string): void => {
    onProgress(line, true);
    log('warn', line, { code });
  };
  const { resultserver } = settings.cuckoo;
  await listenForOwnGuests(resultServer, ownPlaces(labs), { ip: resultserver.ip, onProblem });
  // Guests of a fake machinery have no network to come from.
  if (kinds.includes('qemu') && !labs.some(({ own }) => own !== undefined))
    await listenIfPossible(resultServer, resultserver, onProblem);

  let onMachine: OpenLab['onMachine'] = () => {};
  let onResultBytes: OpenLab['onResultBytes'] = () => {};
  const tellState = (
    name: string,
    { state, reason: why, retryAt }: Pick<MachineStatus, 'state' | 'reason' | 'retryAt'>,
  ): void =>
    onMachine(name, {
      ...{ status: HYPERVISOR_WORD[state], state, locked: !isFree(state) },
      ...{ reason: why, retryOn: retryAt },
    });
  const of = (machine: Machine): MachineLab => {
    const lab = labOf.get(machine.name);
    if (lab === undefined)
      throw new SandboxError('NO_MATCHING_MACHINE', `${machine.name} is not of this lab`);
    return lab;
  };
  const pool = new MachinePool(
    labs.map(({ machinery }) => machinery),
    {
      startLimit: startLimit(settings.cuckoo.cuckoo.max_vmstartup_count),
      stopMs: settings.cuckoo.timeouts.vm_state * 1000,
      begins: 'when told',
      onChange: (machine, change) => {
        const { state, reason: why } = change;
        if (state === 'quarantined') options.onProgress(`${machine.name} does not work: ${why ?? ''}`, true);
        if (why !== null) log('warn', `${machine.name} is ${state}: ${why}`, { machine: machine.name });
        tellState(machine.name, change);
      },
      onStopped: (machine) => of(machine).stopped?.(machine),
    },
  );
  cleanup.defer(() => pool.close(AbortSignal.timeout(CLOSE_TIMEOUT_MS)));
  const owned = cleanup.move();
  return {
    machines: labs.flatMap(({ machinery }) => machinery.machines),
    get onMachine() {
      return onMachine;
    },
    set onMachine(told) {
      onMachine = told;
    },
    pool,
    tellAll: () => {
      for (const status of pool.states()) tellState(status.machine.name, status);
    },
    set onResultBytes(told: OpenLab['onResultBytes']) {
      onResultBytes = told;
    },
    async openResults({ id, dir, machine }) {
      const results = await resultServer.open({
        id,
        dir,
        ...channelOf(of(machine), machine),
        onAnomaly: (what) =>
          log('warn', `result channel: ${what}`, {
            task: id,
            machine: machine.name,
            code: 'PROTOCOL_VIOLATION',
          }),
      });
      return counted(results, (bytes) => onResultBytes(bytes));
    },
    openNetwork: (machine, task, by) => of(machine).openNetwork(machine, task, by),
    openTrial: (machine, by) => {
      const { routing } = settings;
      const accept = (stream: Duplex): void => void stream.on('error', () => undefined).destroy();
      return openTrialNetwork(of(machine), machine, { routing, accept }, by);
    },
    guest: (machine) => guestOf(of(machine), machine),
    agent: (machine) => of(machine).agent(machine),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Says once how many bytes came, when no more can. */
function counted(results: StoredResults, onBytes: (bytes: number) => void): Results {
  let said = false;
  const say = (): void => {
    if (!said) onBytes(results.stats.bytes);
    said = true;
  };
  return {
    failed: results.failed,
    accept: (stream) => results.accept(stream),
    finish: () => results.finish().finally(say),
    [Symbol.asyncDispose]: async () => {
      await results[Symbol.asyncDispose]();
      say();
    },
  };
}

/** @throws CONFIG_INVALID for machinery that is not there: an operator must not wait for its machines */
function wantedMachinery({ machinery, settings, home }: LabOptions): readonly MachineryName[] {
  const text = machinery ?? settings.cuckoo.cuckoo.machinery;
  const wanted = machineryNames(text);
  if ('names' in wanted) return wanted.names;
  const where =
    machinery === undefined ? `${join(home.conf, 'cuckoo.conf')}: [cuckoo] machinery` : '--machinery';
  throw new SandboxError(
    'CONFIG_INVALID',
    `${where} = ${text}: ${JSON.stringify(wanted.unknown)} is not one of ${MACHINERIES.join(', ')}, which are there so far`,
  );
}

/** What machines/list shows, in the hypervisor's words that Cuckoo's clients know. */
const HYPERVISOR_WORD: Readonly<Record<MachineState, string>> = {
  ready: 'saved',
  free: 'poweroff',
  leased: 'running',
  restoring: 'restoring',
  quarantined: 'aborted',
  disabled: 'poweroff',
};

/** Distinct over all machinery. */
function ownPlaces(labs: readonly MachineLab[]): readonly { readonly ip: string; readonly port: number }[] {
  const places = labs.flatMap(({ own }) => own?.resultServers ?? []);
  return [...new Map(places.map((place) => [`${place.ip}:${place.port}`, place])).values()];
}
