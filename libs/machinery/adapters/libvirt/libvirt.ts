import { SandboxError } from '#domain/errors.js';
import type { Machine, OwnMachine } from '#domain/machine.js';
import type { SshConnection } from '#ssh/ssh.js';
import type { Machinery } from '../../machinery.js';
import { dumpLocally } from './dump.js';
import { dumpRemotely } from './dump-remote.js';
import { LibvirtGuest } from './guest.js';
import type { Hypervisor } from './hypervisor.js';
import { findAll } from './preflight.js';
import { screenshot } from './screenshot.js';

export interface LibvirtSetup {
  /** The connection; stays its owner's. */
  readonly libvirt: Hypervisor;
  readonly machines: readonly OwnMachine[];
  /**
   * Offers `recycle`: a machine that still runs is restored inside its QEMU instead of a fresh one. Faster, but a guest
   * that broke out into its QEMU is not got rid of.
   */
  readonly loadvm: boolean;
  /**
   * Where libvirtd runs, and with it the interfaces of guests and memory dumps: on this host, on one that is reached over
   * ssh, or out of our reach.
   */
  readonly files: 'here' | RemoteFiles | 'unreachable';
}

export interface RemoteFiles {
  /** Logs in, for one memory dump: a connection that is kept would be lost some day. */
  readonly connect: (signal: AbortSignal) => Promise<SshConnection>;
}

const DISPOSE_TIMEOUT_MS = 30_000;

/**
 * The operator's own domains under libvirt, each reverted to its snapshot and paused ahead of use. Opening it only looks,
 * and closing it stops only those machines that were used through it.
 *
 * @throws CONFIG_INVALID or SETUP_MISSING with what is wrong with each machine
 */
export async function libvirtMachinery(
  { libvirt, machines, loadvm, files }: LibvirtSetup,
  signal: AbortSignal,
): Promise<Machinery & Required<Pick<Machinery, 'screenshot' | 'dumpMemory'>> & AsyncDisposable> {
  const found = await findAll(libvirt, { machines, isHere: files === 'here' }, signal);
  const guests = new Map(found.map((one) => [one.machine.name, new LibvirtGuest(libvirt, one)]));
  const byUuid = new Map(found.map((one) => [one.domain.uuid.toString('hex'), one.machine.name]));
  const guest = ({ name }: Machine): LibvirtGuest => {
    const known = guests.get(name);
    if (known) return known;
    throw new SandboxError(
      'NO_MATCHING_MACHINE',
      `libvirt runs no machine named ${JSON.stringify(name)} here`,
    );
  };

  const all = () => [...guests.values()];
  const offLifecycle = libvirt.onLifecycle(({ domain }) => {
    const name = byUuid.get(domain.uuid.toString('hex'));
    if (name !== undefined) void guests.get(name)?.look();
  });
  const offReconnect = libvirt.onReconnect(() => {
    for (const one of all()) void one.look();
  });
  return {
    kind: 'kvm',
    machines,
    prepare: (machine, by) => guest(machine).prepare(by),
    ...(loadvm ? { recycle: (machine: Machine, by: AbortSignal) => guest(machine).recycle(by) } : {}),
    start: (machine, by) => guest(machine).start(by),
    stop: (machine, by) => guest(machine).stop(by),
    state: (machine) => guest(machine).state(),
    lost: (machine) => guest(machine).lost,
    screenshot: async (machine, by) => await screenshot(libvirt, guest(machine).found, by),

    async dumpMemory(machine, path, by) {
      const { domain, memoryBytes } = guest(machine).found;
      const dump = { domain, path, memoryBytes };
      if (files === 'here') await dumpLocally(libvirt, dump, by);
      else if (files === 'unreachable') throw unreachable(machine);
      else {
        await using ssh = await files.connect(by);
        await dumpRemotely(libvirt, ssh, dump, by);
      }
    },

    async [Symbol.asyncDispose]() {
      const ours = all().filter(({ isOurs }) => isOurs);
      await Promise.allSettled(ours.map((one) => one.stop(AbortSignal.timeout(DISPOSE_TIMEOUT_MS))));
      offLifecycle();
      offReconnect();
    },
  };
}

function unreachable({ name }: Machine): SandboxError {
  return new SandboxError(
    'SETUP_MISSING',
    `${name}: libvirtd writes memory dumps on its own host; with a dsn qemu+ssh://user@host/system they are fetched from there`,
  );
}
