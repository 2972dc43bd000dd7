import { join } from 'node:path';
import { ARTIFACTS } from '#domain/artifacts.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { parseOptions } from '#domain/task.js';
import { userAddresses } from '#machinery/adapters/qemu/own/net.js';
import type { OwnQemuMachinery } from '#machinery/adapters/qemu/own/own.js';
import { leaveOutControl } from '#network/bridged/leave-out-control.js';
import type { GuestNetwork, NetworkTask } from '../lab.js';
import type { ResultPorts } from './result-ports.js';
import { knownRoute } from './routes.js';

interface UserNetworkParts {
  readonly machinery: OwnQemuMachinery;
  readonly ports: ResultPorts;
  /** Something worth a line in the task's log. Must not throw. */
  readonly onNote: (what: string) => void;
}

/**
 * QEMU's user-mode network for one task: the guest reaches the result server and nothing else, its packets are written by
 * its QEMU.
 *
 * @throws ROUTE_UNAVAILABLE for any route that leads somewhere; CAPTURE_FAILED
 */
export async function openUserNetwork(
  { machinery, ports, onNote }: UserNetworkParts,
  machine: OwnMachine,
  { dir, route, results, options }: NetworkTask,
  signal: AbortSignal,
): Promise<GuestNetwork> {
  if (knownRoute(route, machine) !== 'drop') {
    const what = `${machine.name} is behind QEMU's user-mode network (interface = user), which has no route ${route}`;
    throw new SandboxError(
      'ROUTE_UNAVAILABLE',
      `${what}: ask for route=drop, or give it interface = malkoha`,
    );
  }
  const path = join(dir, ARTIFACTS.pcap);
  const capture = await machinery.capture(machine, path, signal);
  const taken = ports.open(machine.name, (stream) => results.accept(stream));
  let ended: Promise<void> | null = null;
  const end = (): Promise<void> => (ended ??= close());
  const close = async (): Promise<void> => {
    taken[Symbol.dispose]();
    const { omitted } = await capture.finish();
    if (omitted > 0) onNote(`${omitted} packets, or more, are missing in the capture: it has its full size`);
    if (parseOptions(options).get('sniffer.debug') === '1') return;
    const { host } = userAddresses(machine);
    await leaveOutControl(path, { ...machine, hosts: [host, machine.resultServer.ip, '127.0.0.1'] });
  };
  return {
    failed: new AbortController().signal, // a capture that fails is told by finish()
    setClock: () => {},
    finish: async () => {
      await end().catch((cause: unknown) => {
        if (cause instanceof SandboxError) throw cause;
        throw new SandboxError('CAPTURE_FAILED', `the packets of ${machine.name}: ${reason(cause)}`, {
          cause,
        });
      });
    },
    // Whoever wants to hear of a capture that is not whole has called finish().
    [Symbol.asyncDispose]: () => end().catch(() => {}),
  };
}
