import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Machine } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import { ensureImage } from '#guest/image/build.js';
import { chooseAccelerator } from '#machinery/adapters/qemu/accelerator.js';
import { defaultMachines, qemuMachinery } from '#machinery/adapters/qemu/qemu.js';
import { ensureTemplate } from '#machinery/adapters/qemu/template.js';
import { guestAuthority, Networks } from '../apps/worker/networks.js';
import { machineDescription, percentile } from './support.js';

/**
 * How fast a guest is there: N restores by a fresh QEMU process, each resumed, asked, killed. Prints one JSON line;
 * times are milliseconds. `restore_to_agent` is a cold start: decision to agent's answer; `resume_to_agent` that of a
 * machine restored ahead.
 */
const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '20' },
    memory: { type: 'string', default: '512' },
    /** Do not let a prepared machine answer once before it waits. */
    cold: { type: 'boolean', default: false },
    guests: { type: 'string', default: join(homedir(), '.malkoha', 'guests') },
  },
});
const signal = AbortSignal.timeout(1_200_000);
const say = (line: string) => process.stderr.write(`${line}\n`);

const dir = await mkdtemp(join(tmpdir(), 'bench-restore-'));
try {
  const ca = await guestAuthority(values.guests);
  const image = await ensureImage({
    folder: values.guests,
    caCertificate: ca.certificate,
    onProgress: say,
    signal,
  });
  const { accelerator } = await chooseAccelerator({ image, dir, onProgress: say, signal });
  await using networks = new Networks(dir, ca);
  const agent = (machine: string) => new AgentClient((by) => networks.dialAgent(machine, by));
  const runDir = join(dir, 'run');
  const template = await ensureTemplate(
    {
      ...{ image, runDir, accelerator, memoryMb: Number(values.memory), onProgress: say },
      dir: join(dir, 'templates'),
      wire: (machine) => networks.wire(machine),
      waitReady: (machine, by) => agent(machine).waitReady(by),
    },
    signal,
  );
  const [machine] = defaultMachines(1);
  if (!machine) throw new Error('one machine');
  const warm = (one: Machine, by: AbortSignal) => agent(one.name).waitReady(by);
  const setup = { template, machines: [machine], runDir, ...(values.cold ? {} : { warm }) };
  await using machinery = await qemuMachinery({ ...setup, wire: ({ name }) => networks.wire(name) }, signal);

  const times: Record<string, number[]> = {};
  const timed = async (name: string, since: number, work: Promise<unknown>) => {
    await work;
    (times[name] ??= []).push(performance.now() - since);
  };
  for (let round = 0; round < Number(values.n); round++) {
    await timed('prepare', performance.now(), machinery.prepare(machine, signal));
    const resumed = performance.now();
    await timed('start', resumed, machinery.start(machine, signal));
    await timed('resume_to_agent', resumed, agent(machine.name).waitReady(signal));
    await timed('screenshot', performance.now(), machinery.screenshot(machine, signal));
    await timed('kill', performance.now(), machinery.stop(machine, signal));

    const restored = performance.now();
    await timed('restore_to_running', restored, machinery.start(machine, signal));
    await timed('restore_to_agent', restored, agent(machine.name).waitReady(signal));
    await machinery.stop(machine, signal);
  }
  const summary = Object.entries(times).map(([name, all]) => [
    name,
    { p50: percentile(all, 50), p95: percentile(all, 95) },
  ]);
  process.stdout.write(
    `${JSON.stringify({
      ...{ bench: 'restore', n: Number(values.n), accelerator, memory_mib: Number(values.memory) },
      ...{
        qemu: template.program.version,
        form: template.saved.form,
        warmed: !values.cold,
        ms: Object.fromEntries(summary) as object,
      },
      machine: machineDescription(),
    })}\n`,
  );
} finally {
  await rm(dir, { recursive: true, force: true });
}
