import { reason } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import { macOf, networkOf, type OwnQemuMachine } from '#machinery/adapters/qemu/own/machine.js';
import { ownQemuMachinery } from '#machinery/adapters/qemu/own/own.js';
import { addressPlan } from '#network/userspace/addresses.js';
import { Cleanup } from '../../cleanup.js';
import { Networks } from '../networks.js';
import type { MachineLab, MachineLabOptions } from './machine-lab.js';
import { ownMachineLab } from './own-machines.js';
import { ownParts } from './own-parts.js';
import { ResultPorts } from './result-ports.js';
import { openUserNetwork } from './user-network.js';

/** The machines that qemu.conf describes, each in the network that its `interface` names. */
export async function openOwnQemuLab(options: MachineLabOptions, signal: AbortSignal): Promise<MachineLab> {
  const { home, settings, runDir, log, onProgress } = options;
  const { machines, path } = settings.qemu;
  await using cleanup = new Cleanup((error) => log('error', `while closing the lab: ${reason(error)}`));
  const parts = await ownParts(options, cleanup);
  const byName = new Map(machines.map((machine) => [machine.name, machine]));
  const own = ({ name }: Pick<Machine, 'name'>): OwnQemuMachine => {
    const machine = byName.get(name);
    if (machine === undefined) throw new TypeError(`${name} is none of qemu.conf's machines`);
    return machine;
  };
  const kind = (machine: Machine) => networkOf(own(machine)).kind;

  const networks = cleanup.use(
    new Networks(runDir, parts.ca, (name) => {
      const { ip, resultServer, ...rest } = own({ name });
      return addressPlan({ ip, gateway: resultServer.ip, mac: macOf({ ...rest }) });
    }),
  );
  const ports = cleanup.use(new ResultPorts());
  const wired = ({ name, agentPort }: OwnQemuMachine) =>
    new AgentClient((by) => networks.dialAgent(name, by, agentPort));
  const machinery = await ownQemuMachinery(
    {
      ...{ machines, path, runDir, guestsDir: home.guests },
      wire: ({ name }) => networks.wire(name),
      resultPort: ({ name }) => ports.of(name),
      // Behind a bridge a guest is cut off until a task has opened its route.
      warm: async (machine, agent, by) => {
        if (kind(machine) === 'bridge') return;
        await (agent === null ? wired(machine) : new AgentClient(dialTcp(agent.host, agent.port))).waitReady(
          by,
        );
      },
      onProgress: (line) => onProgress(line, true),
    },
    signal,
  );
  const lab = cleanup.use(ownMachineLab(machinery, machines, parts));
  const owned = cleanup.move();
  return {
    machinery,
    stopped: (machine) => lab.stopped?.(machine),
    ...(lab.own && {
      own: {
        ...lab.own,
        resultServers: machines
          .filter((machine) => kind(machine) === 'bridge')
          .map(({ resultServer }) => resultServer),
        byAddress: (machine) => kind(machine) === 'bridge',
        route: (machine) => (kind(machine) === 'wire' ? 'inetsim' : settings.routing.route),
      },
    }),
    openNetwork: async (machine, task, by) => {
      switch (kind(machine)) {
        case 'wire':
          return networks.openTask(machine, task);
        case 'user':
          return openUserNetwork(
            {
              ...{ machinery, ports },
              onNote: (what) => log('info', what, { task: task.id, machine: machine.name, stage: 'network' }),
            },
            own(machine),
            task,
            by,
          );
        case 'bridge':
          return lab.openNetwork(machine, task, by);
      }
    },
    agent: (machine) => {
      switch (kind(machine)) {
        case 'wire':
          return wired(own(machine));
        case 'user':
          return new AgentClient(async (by) => {
            const { ip, agentPort } = own(machine);
            const { host, port } = machinery.agent(machine) ?? { host: ip, port: agentPort };
            return dialTcp(host, port)(by);
          });
        case 'bridge':
          return lab.agent(machine);
      }
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
