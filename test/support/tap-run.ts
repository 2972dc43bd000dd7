import { chmod, mkdir, readFile } from 'node:fs/promises';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import { masterOf } from '#machinery/adapters/qemu/own/interfaces.js';
import { macOf, type OwnQemuMachine } from '#machinery/adapters/qemu/own/machine.js';
import { ownQemuMachinery } from '#machinery/adapters/qemu/own/own.js';
import { prepareMachine } from '#machinery/adapters/qemu/own/prepare.js';
import { CertificateAuthority } from '#network/fakenet/ca.js';
import { addressPlan } from '#network/userspace/addresses.js';
import { UserspaceNetwork } from '#network/userspace/network.js';
import { anOwnQemuMachine } from './own-qemu-lab.js';

/**
 * Run in a network namespace of its own, where the bridge br0 is: tap-run.ts FOLDER [MACHINE]. Prepares a machine behind
 * br0, starts it and prints what became of its tap, as JSON. MACHINE is one with an agent, as JSON, which must answer:
 * behind a wire when it is prepared, then on the bridge. Without it an empty FOLDER/disk.qcow2 does.
 */
const [folder = '', given] = process.argv.slice(2);
const machine = anOwnQemuMachine('tapped', {
  ...{ image: `${folder}/disk.qcow2`, memory: 64, options: [] },
  ...(given === undefined ? {} : (JSON.parse(given) as Partial<OwnQemuMachine>)),
  ...{ interface: 'br0', ip: '10.0.2.15', resultServer: { ip: '10.0.2.2', port: 2042 } },
});
const hasAgent = given !== undefined;
const patience = AbortSignal.timeout(200_000);
const setup = { path: '', runDir: `${folder}/run`, guestsDir: `${folder}/guests` };
const seen: Record<string, unknown> = {};
{
  await mkdir(setup.runDir, { recursive: true });
  await chmod(setup.runDir, 0o711);
  await using network = await UserspaceNetwork.listen({
    socketPath: `${setup.runDir}/net`,
    ca: await CertificateAuthority.create(),
    addresses: addressPlan({ ip: machine.ip, gateway: machine.resultServer.ip, mac: macOf(machine) }),
  });
  const asked: unknown[] = [];
  const said: string[] = [];
  await prepareMachine(
    {
      ...{ ...setup, machine, onProgress: (line) => said.push(line) },
      wire: async () => network.socketPath,
      waitReady: async (_machine, agent, by) => {
        asked.push({ agent, tap: await masterOf('tap_tapped') });
        if (hasAgent) await new AgentClient((until) => network.dial(machine.agentPort, until)).waitReady(by);
      },
    },
    patience,
  );
  seen['asked'] = asked;
  seen['fellBack'] = said.some((line) => line.includes('loadvm'));
}
{
  await using machinery = await ownQemuMachinery({ ...setup, machines: [machine] }, patience);
  // The second time the host knows the guest's hardware address, and the guest not the bridge's.
  for (const run of ['started', 'again']) {
    await machinery.start(machine, patience);
    const tap = await masterOf('tap_tapped');
    const carrier = (await readFile('/sys/class/net/tap_tapped/carrier', 'utf8')).trim();
    if (hasAgent) await new AgentClient(dialTcp(machine.ip, machine.agentPort)).waitReady(patience);
    seen[run] = { tap, carrier };
    await machinery.stop(machine, patience);
  }
}
seen['ended'] = await masterOf('tap_tapped');
process.stdout.write(`${JSON.stringify(seen)}\n`);
