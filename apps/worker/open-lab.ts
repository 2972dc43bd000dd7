import { mkdir, chmod } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { HomePaths } from '#config/home.js';
import type { Settings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { Machine, MachineState } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { ensureImage } from '#guest/image/build.js';
import { chooseAccelerator } from '#machinery/adapters/qemu/accelerator.js';
import { defaultMachines, qemuMachinery } from '#machinery/adapters/qemu/qemu.js';
import { reapOrphans } from '#machinery/adapters/qemu/record.js';
import { ensureTemplate, type TemplateWanted } from '#machinery/adapters/qemu/template.js';
import type { MachineStatus } from '#machinery/lease.js';
import { isFree } from '#machinery/pick.js';
import { MachinePool } from '#machinery/pool.js';
import { defaultMachineCount } from '#machinery/sizing.js';
import type { MachineChange } from '#storage/machines.js';
import { ResultServer } from '#resultserver/resultserver.js';
import { Cleanup } from '../cleanup.js';
import type { Log } from '../log.js';
import { portHolder } from '../ports.js';
import { availableMemoryMb } from './memory.js';
import type { Lab } from './lab.js';
import { guestAuthority, Networks } from './networks.js';

export interface LabOptions {
  readonly home: HomePaths;
  readonly settings: Settings;
  /** How many default guests, or as many as this host can bear. */
  readonly machines: number | 'auto';
  readonly log: Log;
  /** `lasting` lines stay on a person's screen; the others say what goes on now. */
  readonly onProgress: (line: string, lasting: boolean) => void;
}

export interface OpenLab extends Lab, AsyncDisposable {
  readonly machines: readonly Machine[];
  readonly pool: MachinePool;
  /** Told of every change of a machine's state. */
  onMachine: (name: string, change: MachineChange) => void;
  /** Tells the state of every machine as it is now. */
  tellAll(): void;
}

const CLOSE_TIMEOUT_MS = 30_000;

/** Restores at the same time: beyond half the processors they only slow each other down. */
function startLimit(configured: number): number {
  return Math.max(1, Math.min(configured, Math.floor(availableParallelism() / 2)));
}

/** Everything `detonate` needs on this host: the default guest (built when missing), its machines, their networks, the result server. */
export async function openLab(options: LabOptions, signal: AbortSignal): Promise<OpenLab> {
  const { home, settings, log } = options;
  mustBeOurs(settings, home.conf);
  await using cleanup = new Cleanup((error) => log('error', `while closing the lab: ${reason(error)}`));
  const runDir = home.run;
  await mkdir(runDir, { recursive: true });
  await openTo(home.dir, runDir);
  for (const orphan of await reapOrphans(runDir)) log('warn', `ended what a killed worker left: ${orphan}`);

  const ca = await guestAuthority(home.guests);
  const networks = cleanup.use(new Networks(runDir, ca));
  const agent = (machine: string) => new AgentClient((by) => networks.dialAgent(machine, by));
  const template = await prepareGuest(
    options,
    { runDir, networks, agent, caCertificate: ca.certificate },
    signal,
  );
  const machines = defaultMachines(await machineCount(options));
  const machinery = cleanup.use(
    await qemuMachinery(
      {
        template,
        machines,
        runDir,
        wire: ({ name }) => networks.wire(name),
        // Answered once, a guest answers the next time without translating its code anew.
        warm: ({ name }, by) => agent(name).waitReady(by),
      },
      signal,
    ),
  );
  const resultServer = cleanup.use(
    new ResultServer({ limits: { uploadBytes: settings.cuckoo.resultserver.upload_max_size } }),
  );
  await listenForGuests(resultServer, options);

  let onMachine: OpenLab['onMachine'] = () => {};
  const tellState = (
    name: string,
    { state, reason: why, retryAt }: Pick<MachineStatus, 'state' | 'reason' | 'retryAt'>,
  ): void =>
    onMachine(name, {
      ...{ status: HYPERVISOR_WORD[state], state, locked: !isFree(state) },
      ...{ reason: why, retryOn: retryAt },
    });
  const pool = new MachinePool([machinery], {
    startLimit: startLimit(settings.cuckoo.cuckoo.max_vmstartup_count),
    onChange: (machine, change) => {
      const { state, reason: why } = change;
      if (state === 'quarantined') options.onProgress(`${machine.name} does not work: ${why ?? ''}`, true);
      if (why !== null) log('warn', `${machine.name} is ${state}: ${why}`, { machine: machine.name });
      tellState(machine.name, change);
    },
  });
  cleanup.defer(() => pool.close(AbortSignal.timeout(CLOSE_TIMEOUT_MS)));
  const owned = cleanup.move();
  return {
    machines,
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
    openResults: ({ id, dir, machine }) =>
      resultServer.open({
        id,
        dir,
        dialect: 'malkoha',
        guestIp: null, // its connections come through its own network: see openNetwork
        onAnomaly: (what) =>
          log('warn', `result channel: ${what}`, {
            task: id,
            machine: machine.name,
            code: 'PROTOCOL_VIOLATION',
          }),
      }),
    openNetwork: (machine, task) => networks.openTask(machine, task),
    agent: (machine) => agent(machine.name),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Machines that would be configured in vain are refused: an operator must not wait for them. @throws CONFIG_INVALID */
function mustBeOurs({ cuckoo, qemu }: Settings, conf: string): void {
  if (cuckoo.cuckoo.machinery !== 'qemu') {
    throw new SandboxError(
      'CONFIG_INVALID',
      `${join(conf, 'cuckoo.conf')}: [cuckoo] machinery = ${cuckoo.cuckoo.machinery}: only qemu, with its default guest, is there so far`,
    );
  }
  if (qemu.machines.length > 0) {
    throw new SandboxError(
      'CONFIG_INVALID',
      `${join(conf, 'qemu.conf')}: [qemu] machines names machines of your own, which are not supported yet: write auto or a number`,
    );
  }
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

/** Builds what is missing: the image, the choice of accelerator, the template. */
async function prepareGuest(
  { home, settings, onProgress }: LabOptions,
  parts: {
    runDir: string;
    networks: Networks;
    agent: (machine: string) => AgentClient;
    caCertificate: string;
  },
  signal: AbortSignal,
) {
  const now = (line: string): void => onProgress(line, false);
  const image = await ensureImage({
    folder: home.guests,
    caCertificate: parts.caCertificate,
    onProgress: (line) => onProgress(`guest: ${line}`, true),
    signal,
  });
  const chosen = await chooseAccelerator({
    image,
    dir: home.guests,
    wanted: settings.qemu.accel,
    onProgress: now,
    signal,
  });
  onProgress(chosen.reason, true);
  const wanted: TemplateWanted = {
    image,
    dir: join(home.guests, 'templates'),
    runDir: parts.runDir,
    memoryMb: settings.qemu.memory,
    accelerator: chosen.accelerator,
    wire: (machine) => parts.networks.wire(machine),
    waitReady: async (machine, by) => parts.agent(machine).waitReady(by),
    onProgress: (line) => onProgress(`guest: ${line}`, true),
  };
  return ensureTemplate(wanted, signal);
}

async function machineCount({ machines, settings }: LabOptions): Promise<number> {
  if (machines !== 'auto') return machines;
  return defaultMachineCount({
    memoryMb: await availableMemoryMb(),
    cores: availableParallelism(),
    guestMb: settings.qemu.memory,
  });
}

/** The default guest does not need the port: one that cannot be had is said, and costs only guests on bridges. */
async function listenForGuests(
  server: ResultServer,
  { settings, log, onProgress }: LabOptions,
): Promise<void> {
  const { ip, port } = settings.cuckoo.resultserver;
  try {
    await server.listen(ip, port);
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    const holder = error.code === 'PORT_IN_USE' ? await portHolder(port) : null;
    const line = `${error.message}${holder === null ? '' : `, ${holder} has it`}; the default guest does not need it`;
    onProgress(line, true);
    log('warn', line, { code: error.code });
  }
}

/** QEMU runs as another user when we are root, and must reach its sockets: these folders may be passed through, not listed. */
async function openTo(...folders: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) return;
  for (const folder of folders) await chmod(folder, 0o711);
}
