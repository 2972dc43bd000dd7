import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AgentClient } from '#guest/agent.js';
import { Libvirt } from '#libvirt/libvirt.js';
import type { Machine } from '#domain/machine.js';
import { libvirtMachinery } from '#machinery/adapters/libvirt/libvirt.js';
import type { Machinery } from '#machinery/machinery.js';
import { LibvirtLab } from '../test/support/libvirt-lab.js';
import { machineDescription, percentile } from './support.js';

/**
 * How fast a domain under a real libvirtd is restored and its agent answers: through our adapter, by virsh and by a
 * bare QEMU, by turns in one run. Needs root, for namespaces of its own. Prints one JSON line; times are milliseconds:
 *
 * - `prepare`: snapshot reverted and paused; `resume_to_agent`: from there to the agent's answer
 * - `restore_to_running`, `restore_to_agent`: of a machine that is off and was not prepared
 * - `loadvm_to_paused`, `loadvm_to_agent`: in the QEMU that runs
 * - `virsh_…`: the same by `virsh snapshot-revert`, of a domain that is off and of one that runs
 * - `qemu_loadvm_to_agent`: a new QEMU with -loadvm, no libvirt at all
 */
const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '5' },
    /** MiB of guest RAM, several by comma. */
    memory: { type: 'string', default: '256,512,1024,2048' },
  },
});
const rounds = Number(values.n);
const signal = AbortSignal.timeout(3_600_000);

type Times = Record<string, number[]>;

const results: Record<string, unknown> = {};
for (const memory of values.memory.split(',').map(Number)) {
  process.stderr.write(`${memory} MiB\n`);
  await using lab = await LibvirtLab.open({ count: 1, memoryMb: memory }, signal);
  await using libvirt = await Libvirt.connect(lab.uri, {}, signal);
  const times: Times = {};
  const pssMib = await ours(lab, libvirt, times);
  await virsh(lab, times);
  await bareQemu(lab, memory, times);
  results[memory] = {
    idle_prepared_pss_mib: pssMib,
    ms: Object.fromEntries(
      Object.entries(times).map(([name, all]) => [
        name,
        { p50: percentile(all, 50), p95: percentile(all, 95) },
      ]),
    ),
  };
}
process.stdout.write(
  `${JSON.stringify({ bench: 'restore-libvirt', n: rounds, accelerator: 'tcg', memory_mib: results, machine: machineDescription() })}\n`,
);

async function timed(times: Times, name: string, since: number, work: Promise<unknown>): Promise<void> {
  await work;
  (times[name] ??= []).push(performance.now() - since);
}

/** Returns the proportional memory of a machine that waits restored, MiB. */
async function ours(lab: LibvirtLab, libvirt: Libvirt, times: Times): Promise<number> {
  const { machines } = lab;
  const machine = only(lab);
  let pss = 0;
  {
    await using reverting = await libvirtMachinery(
      { libvirt, machines, loadvm: false, files: 'here' },
      signal,
    );
    for (let round = 0; round < rounds; round++) {
      await timed(times, 'prepare', performance.now(), reverting.prepare(machine, signal));
      pss = await pssOf(lab);
      const resumed = performance.now();
      await timed(times, 'resume_to_running', resumed, reverting.start(machine, signal));
      await timed(times, 'resume_to_agent', resumed, lab.agent(machine).waitReady(signal));
      await timed(times, 'stop', performance.now(), reverting.stop(machine, signal));

      const restored = performance.now();
      await timed(times, 'restore_to_running', restored, reverting.start(machine, signal));
      await timed(times, 'restore_to_agent', restored, lab.agent(machine).waitReady(signal));
      await reverting.stop(machine, signal);
    }
  }
  await using loading = await libvirtMachinery({ libvirt, machines, loadvm: true, files: 'here' }, signal);
  await loading.start(machine, signal);
  for (let round = 0; round < rounds; round++) {
    await lab.agent(machine).waitReady(signal);
    const began = performance.now();
    await timed(times, 'loadvm_to_paused', began, recycled(loading, machine));
    await loading.start(machine, signal);
    await timed(times, 'loadvm_to_agent', began, lab.agent(machine).waitReady(signal));
  }
  return pss;
}

async function recycled(machinery: Machinery, machine: Machine): Promise<void> {
  if (!machinery.recycle) throw new Error('it does not restore in place');
  await machinery.recycle(machine, signal);
}

async function virsh(lab: LibvirtLab, times: Times): Promise<void> {
  const machine = only(lab);
  const revert = async (from: 'off' | 'running') => {
    const began = performance.now();
    const command = lab.virsh(signal, 'snapshot-revert', machine.label, 'clean');
    await timed(times, `virsh_${from}_to_running`, began, command);
    await timed(times, `virsh_${from}_to_agent`, began, lab.agent(machine).waitReady(signal));
  };
  for (let round = 0; round < rounds; round++) {
    await revert('off');
    await revert('running');
    await lab.virsh(signal, 'destroy', machine.label);
  }
}

/** A QEMU of the same guest and RAM, on its own user network; nobody else has port 8000 of the lab's loopback. */
async function bareQemu(lab: LibvirtLab, memoryMb: number, times: Times): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-qemu-'));
  const disk = join(dir, 'disk.qcow2');
  const agent = new AgentClient(lab.dial('127.0.0.1', 8000));
  const { kernel, initrd, root, cmdline } = lab.image;
  const argv = [
    ...['qemu-system-x86_64', '-nodefaults', '-machine', 'pc,accel=tcg', '-m', `${memoryMb}M`],
    ...['-cpu', 'qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt', '-display', 'none', '-vga', 'std'],
    ...['-kernel', kernel, '-initrd', initrd, '-append', cmdline],
    ...['-drive', `file=${disk},if=virtio,cache=unsafe`],
    ...['-netdev', 'user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:8000-:8000'],
    ...['-device', 'virtio-net-pci,netdev=net,romfile=', '-device', 'virtio-rng-pci', '-monitor', 'stdio'],
  ];
  const run = async (load: readonly string[], last: readonly string[], ready: () => Promise<void>) => {
    const qemu = lab.run([...argv, ...load], { stdio: ['pipe', 'ignore', 'inherit'] });
    const ended = once(qemu, 'close');
    try {
      await ready();
    } finally {
      qemu.stdin?.end([...last, 'quit', ''].join('\n'));
      await ended;
    }
  };
  try {
    await lab.exec(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', root, '-F', 'raw', disk], signal);
    await run([], ['savevm clean'], () => agent.waitReady(signal).then(() => undefined));
    for (let round = 0; round < rounds; round++) {
      const began = performance.now();
      await run(['-loadvm', 'clean'], [], () =>
        timed(times, 'qemu_loadvm_to_agent', began, agent.waitReady(signal)),
      );
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function pssOf(lab: LibvirtLab): Promise<number> {
  const pid = await lab.qemuPid(only(lab));
  const rollup = await lab.exec(['cat', `/proc/${pid}/smaps_rollup`], signal);
  return Math.round(Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024);
}

function only({ machines: [machine] }: LibvirtLab) {
  if (machine === undefined) throw new Error('the lab has no machine');
  return machine;
}
