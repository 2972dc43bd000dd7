import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { CertificateAuthority } from '#network/fakenet/ca.js';
import { AGENT_PORT, DEFAULT_ADDRESSES, RESULT_SERVER } from '#network/userspace/addresses.js';
import { FakeGuest } from '#network/userspace/guest.fake.js';
import { UserspaceNetwork } from '#network/userspace/network.js';
import { machineDescription, percentile } from './support.js';

/**
 * How fast the userspace network is. Without arguments the guest is a second instance of the stack in this process, on
 * the other end of a real unix socket: two stacks share one thread, so the product is faster. With `--guest DIR` (a
 * folder with vmlinuz, initrd.cpio and root.squashfs) the guest is real, under QEMU's TCG. Prints one JSON line.
 */
const { values } = parseArgs({
  options: {
    guest: { type: 'string' },
    mb: { type: 'string', default: '256' },
    calls: { type: 'string', default: '50' },
  },
});
const MIB = 1024 * 1024;
const uploadBytes = Number(values.mb) * MIB;
const calls = Number(values.calls);

const folder = await mkdtemp(join(tmpdir(), 'malkoha-bench-'));
try {
  const ca = await CertificateAuthority.create();
  await using network = await UserspaceNetwork.listen({ socketPath: join(folder, 'net.sock'), ca });
  const arrivals: Duplex[] = [];
  const pcapPath = join(folder, 'dump.pcap');
  const recording = await network.open({
    route: 'inetsim',
    pcapPath,
    fakenetPath: join(folder, 'fakenet.jsonl'),
    onResult: (stream) => arrivals.push(stream),
    resultServer: RESULT_SERVER,
  });
  const measured =
    values.guest === undefined
      ? await synthetic(network, arrivals)
      : await real(network, values.guest, arrivals);
  await recording[Symbol.asyncDispose]();
  const { packets, bytes, dropped } = recording;
  const capture = { packets, bytes, dropped, in_file: countPackets(await readFile(pcapPath)) };
  console.log(
    JSON.stringify({
      bench: 'userspace-network',
      guest: values.guest === undefined ? 'synthetic' : 'qemu-tcg',
      upload_mib: Number(values.mb),
      ...measured,
      capture,
      machine: machineDescription(),
    }),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}

type Measured = Readonly<Record<string, unknown>>;

async function synthetic(network: UserspaceNetwork, arrivals: Duplex[]): Promise<Measured> {
  const guest = await FakeGuest.connect(network.socketPath);
  guest.listening.add(AGENT_PORT);
  guest.onAccept = (stream) => stream.pipe(stream);
  const upload = async (): Promise<number> => {
    const stream = await guest.dial(RESULT_SERVER.ip, RESULT_SERVER.port);
    const done = receive(arrivals);
    await send(stream, uploadBytes);
    return done;
  };
  await upload(); // the compiler warms up
  const result = await upload();
  // Every byte of this one is captured.
  const began = performance.now();
  const sink = await guest.dial('198.51.100.1', 4444);
  await send(sink, uploadBytes);
  await once(sink.resume(), 'end');
  const captured = rate(uploadBytes, performance.now() - began);
  const agent: number[] = [];
  for (let i = 0; i < calls; i++) {
    const from = performance.now();
    const call = await network.dial(AGENT_PORT, AbortSignal.timeout(5000));
    call.end('x');
    await once(call.resume(), 'end');
    agent.push(performance.now() - from);
  }
  guest.kill();
  return {
    result_mb_s: result,
    captured_mb_s: captured,
    agent_call_ms: { p50: percentile(agent, 50), p95: percentile(agent, 95) },
  };
}

async function real(network: UserspaceNetwork, image: string, arrivals: Duplex[]): Promise<Measured> {
  const qemu = spawn(
    'qemu-system-x86_64',
    [
      '-accel tcg -m 512 -nodefaults -no-user-config -no-reboot -display none -sandbox on,spawn=deny'.split(
        ' ',
      ),
      ['-kernel', join(image, 'vmlinuz'), '-initrd', join(image, 'initrd.cpio')],
      ['-append', 'console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off random.trust_cpu=on'],
      ['-drive', `file=${join(image, 'root.squashfs')},if=virtio,format=raw,readonly=on,file.locking=off`],
      ['-netdev', `stream,id=n,server=off,addr.type=unix,addr.path=${network.socketPath}`],
      ['-device', `virtio-net-pci,netdev=n,mac=${DEFAULT_ADDRESSES.guestMac},romfile=`],
    ].flat(),
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(qemu, 'exit');
  try {
    const booted = await answers(network);
    const agent: number[] = [];
    for (let i = 0; i < calls; i++) {
      const from = performance.now();
      await agentCall(network, 'GET', '/status');
      agent.push(performance.now() - from);
    }
    const upload = async (ip: string, port: number): Promise<void> => {
      const program = `import socket;s=socket.create_connection(("${ip}",${port}));b=bytes(1<<20);[s.sendall(b) for _ in range(${Number(values.mb)})];s.shutdown(1);s.recv(1)`;
      await agentCall(network, 'POST', '/execute', { command: `python3 -c '${program}'`, shell: '1' });
    };
    const result = async (): Promise<number> => {
      const done = receive(arrivals);
      await upload(RESULT_SERVER.ip, RESULT_SERVER.port);
      return done;
    };
    const ethernet = await result();
    const began = performance.now();
    await upload('198.51.100.1', 4444);
    const captured = rate(uploadBytes, performance.now() - began);
    // The route to the result server alone may take packets that no Ethernet does.
    const jumbo = 'ip link set eth0 mtu 65000; ip route change default via 10.0.2.2 mtu 1500';
    await agentCall(network, 'POST', '/execute', { command: jumbo, shell: '1' });
    const large = await result();
    return {
      boot_ms: Math.round(booted),
      result_mb_s: ethernet,
      result_large_mtu_mb_s: large,
      captured_mb_s: captured,
      agent_call_ms: { p50: percentile(agent, 50), p95: percentile(agent, 95) },
      link: network.counters,
    };
  } finally {
    qemu.kill('SIGKILL');
    await ended;
  }
}

async function answers(network: UserspaceNetwork): Promise<number> {
  const began = performance.now();
  const deadline = AbortSignal.timeout(120_000);
  for (;;) {
    try {
      await agentCall(network, 'GET', '/');
      return performance.now() - began;
    } catch (cause) {
      if (deadline.aborted) throw cause;
      await sleep(100);
    }
  }
}

async function agentCall(
  network: UserspaceNetwork,
  method: string,
  path: string,
  form?: Readonly<Record<string, string>>,
): Promise<unknown> {
  const stream = await network.dial(AGENT_PORT, AbortSignal.timeout(120_000));
  const body = form === undefined ? '' : new URLSearchParams(form).toString();
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length };
  const sent = request({ createConnection: () => stream, method, path, headers });
  sent.on('error', () => undefined); // after the answer: the machine is killed with the connection open
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [AsyncIterable<Buffer>];
  return json(response);
}

/** Reads the next upload; the rate from its first byte to its end. */
async function receive(arrivals: Duplex[]): Promise<number> {
  while (arrivals.length === 0) await sleep(1);
  const stream = arrivals.shift();
  let began = 0;
  let bytes = 0;
  for await (const chunk of stream ?? []) {
    if (bytes === 0) began = performance.now();
    bytes += (chunk as Buffer).length;
  }
  const result = rate(bytes, performance.now() - began);
  if (bytes !== uploadBytes) throw new Error(`${bytes} bytes of ${uploadBytes} arrived`);
  return result;
}

async function send(stream: Duplex, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(256 * 1024, 'x');
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    if (!stream.write(chunk)) await once(stream, 'drain');
  }
  stream.end();
}

/** Megabytes (10⁶) per second. */
function rate(bytes: number, ms: number): number {
  return Math.round(bytes / ms / 100) / 10;
}

function countPackets(file: Buffer): number {
  let count = 0;
  for (let at = 24; at + 16 <= file.length; at += 16 + file.readUInt32LE(at + 8)) count++;
  return count;
}
