import { readFile } from 'node:fs/promises';
import { masterOf } from '#machinery/adapters/qemu/own/interfaces.js';
import { ownQemuMachinery } from '#machinery/adapters/qemu/own/own.js';
import { prepareMachine } from '#machinery/adapters/qemu/own/prepare.js';
import { anOwnQemuMachine } from './own-qemu-lab.js';

/**
 * Run in a network namespace of its own, where the bridge br0 is: tap-run.ts FOLDER. Prepares a machine behind br0 from
 * FOLDER/disk.qcow2, starts it and prints what became of its tap, as JSON.
 */
const [folder = ''] = process.argv.slice(2);
const machine = anOwnQemuMachine('tapped', {
  ...{ interface: 'br0', image: `${folder}/disk.qcow2`, memory: 64, options: [] },
  ...{ ip: '192.168.55.2', resultServer: { ip: '192.168.55.1', port: 2042 } },
});
const patience = AbortSignal.timeout(60_000);
const setup = { path: '', runDir: `${folder}/run`, guestsDir: `${folder}/guests` };
const seen: Record<string, unknown> = {};
await prepareMachine(
  {
    ...{ ...setup, machine, onProgress: () => undefined },
    waitReady: async (_machine, agent) => {
      seen['agent'] = agent;
    },
  },
  patience,
);
seen['prepared'] = await masterOf('tap_tapped');
{
  await using machinery = await ownQemuMachinery({ ...setup, machines: [machine] }, patience);
  await machinery.start(machine, patience);
  seen['started'] = await masterOf('tap_tapped');
  seen['carrier'] = (await readFile('/sys/class/net/tap_tapped/carrier', 'utf8')).trim();
  await machinery.stop(machine, patience);
}
seen['ended'] = await masterOf('tap_tapped');
process.stdout.write(`${JSON.stringify(seen)}\n`);
