import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import { macOf, type OwnQemuMachine } from '#machinery/adapters/qemu/own/machine.js';
import { freePort } from '#machinery/adapters/qemu/own/net.js';
import { Qmp } from '#machinery/adapters/qemu/qmp.js';

/**
 * What an operator does by hand: boots the machine from its image, waits for the agent, writes something to its disk
 * after the root file system, and saves a snapshot into the image.
 */
export async function takeSnapshot(
  machine: OwnQemuMachine,
  snapshot: string,
  { marker, at }: { marker: string; at: number },
  signal: AbortSignal,
): Promise<void> {
  const port = await freePort();
  const { image, kernel, initrd, append = '', memory } = machine;
  const args = [
    ...['-machine', 'pc,accel=tcg', '-m', `${memory}M`, '-display', 'none', '-monitor', 'none'],
    ...['-serial', 'null', '-kernel', kernel, '-initrd', initrd, '-append', append],
    ...['-netdev', `user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:8000`],
    ...['-device', `virtio-net-pci,netdev=n,mac=${macOf(machine)}`],
    ...['-drive', `if=virtio,index=0,media=disk,format=qcow2,file=${image}`],
    ...['-chardev', 'socket,id=qmp,fd=3', '-mon', 'chardev=qmp,mode=control'],
  ];
  const qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  try {
    using qmp = await Qmp.open(qemu.stdio[3] as Duplex, signal);
    const agent = new AgentClient(dialTcp('127.0.0.1', port));
    await agent.waitReady(signal);
    const write = `import os; d = os.open('/dev/vda', os.O_RDWR); os.pwrite(d, b'${marker}', ${at}); os.fsync(d); open('/tmp/written', 'w').write('yes')`;
    await agent.execute(`python3 -c "${write}"`, '/', signal);
    while (!(await wasWritten(agent, signal)));
    await qmp.execute('stop', {}, signal);
    const said = await qmp.execute('human-monitor-command', { 'command-line': `savevm ${snapshot}` }, signal);
    if (said !== '') throw new Error(`savevm: ${JSON.stringify(said)}`);
    await qmp.execute('quit', {}, signal);
    await once(qemu, 'exit', { signal });
  } finally {
    if (qemu.exitCode === null && qemu.signalCode === null) {
      qemu.kill('SIGKILL');
      await once(qemu, 'exit');
    }
  }
}

async function wasWritten(agent: AgentClient, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  const content = await agent.retrieve('/tmp/written', 10, signal).catch(() => Buffer.alloc(0));
  return content.toString() === 'yes';
}
