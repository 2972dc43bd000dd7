import { execFile } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { parseArgs, promisify } from 'node:util';
import { Libvirt } from '#libvirt/libvirt.js';
import { startSessionLibvirtd } from '../test/support/libvirtd-session.js';
import { machineDescription, percentile } from './support.js';

/**
 * What a question to libvirtd costs through our client and through virsh, libvirt's own program, against the same
 * daemon with its make-believe hypervisor. Prints one JSON line; milliseconds, `all` is for 1000 sent at once.
 */
const { values } = parseArgs({
  options: { n: { type: 'string', default: '500' }, virsh: { type: 'string', default: '20' } },
});
const signal = AbortSignal.timeout(300_000);
const PIPELINED = 1000;
setMaxListeners(0, signal);
const run = promisify(execFile);

await using server = await startSessionLibvirtd();
await using libvirt = await Libvirt.connect(server.uri, {}, signal);
const domain = await libvirt.domain('test', signal);
const uri = `test+unix:///default?socket=${server.socket}`;

async function times(n: number, work: () => Promise<unknown>): Promise<{ p50: number; p95: number }> {
  const taken: number[] = [];
  for (let round = 0; round < n; round += 1) {
    const start = performance.now();
    await work();
    taken.push(performance.now() - start);
  }
  return { p50: percentile(taken, 50, 2), p95: percentile(taken, 95, 2) };
}

const connect = await times(20, async () => {
  await using _other = await Libvirt.connect(server.uri, {}, signal);
});
const ours = {
  state: await times(Number(values.n), () => libvirt.state(domain, signal)),
  list: await times(Number(values.n), () => libvirt.domains(signal)),
  xml: await times(Number(values.n), () => libvirt.xml(domain, signal)),
};
const virsh = (...command: readonly string[]) =>
  times(Number(values.virsh), () => run('virsh', ['--connect', uri, ...command], { signal }));
const theirs = {
  state: await virsh('domstate', 'test'),
  list: await virsh('list', '--all'),
  xml: await virsh('dumpxml', 'test'),
};
const all = await times(5, () =>
  Promise.all(Array.from({ length: PIPELINED }, () => libvirt.state(domain, signal))),
);
process.stdout.write(
  `${JSON.stringify({ bench: 'libvirt-rpc', ...machineDescription(), connect, ours, virsh: theirs, all })}\n`,
);
