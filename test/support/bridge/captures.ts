import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { captureFilter, checkBpf, type FilterParts } from '#network/bridged/filter.js';
import { hostsOf } from '#network/bridged/interfaces.js';
import { startTcpdump, type TcpdumpStart } from '#network/bridged/tcpdump.js';
import { findTcpdump } from '#network/bridged/tcpdump-program.js';
import { BRIDGE, command, HOST_IP } from './guest.js';
import { aborted, captured, MACHINE, patience, type Scene, toldBy } from './stage.js';

const filterFor = (more: Partial<FilterParts> = {}): string =>
  captureFilter({ ...MACHINE, hosts: hostsOf(MACHINE), debug: false, bpf: '', ...more });

async function start(dir: string, more: Partial<TcpdumpStart> = {}) {
  const program = await findTcpdump('/usr/sbin/tcpdump');
  const filter = filterFor();
  return startTcpdump(
    { program, interface: BRIDGE, filter, path: join(dir, 'dump.pcap'), ...more },
    patience(),
  );
}

/** Resolves when so many datagrams have come. */
async function receiver(count: number): Promise<{ port: number; all: Promise<void>; close: () => void }> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST_IP);
  await once(socket, 'listening');
  let seen = 0;
  const all = new Promise<void>((resolve) => socket.on('message', () => ++seen === count && resolve()));
  return { port: socket.address().port, all, close: () => socket.close() };
}

const datagrams = (port: number, count: number, bytes = 1): string =>
  `import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nfor i in range(${count}): s.sendto(b'x'*${bytes},('${HOST_IP}',${port}))`;

async function childPid(name: string): Promise<number> {
  for (const task of await readdir('/proc/self/task')) {
    const pids = (await readFile(`/proc/self/task/${task}/children`, 'utf8')).split(' ').filter(Boolean);
    for (const pid of pids)
      if ((await readFile(`/proc/${pid}/comm`, 'utf8')).trim() === name) return Number(pid);
  }
  throw new Error(`no child ${name}`);
}

/** Fifty packets, and the end at once: tcpdump may not have read them when it is told to stop. */
export const whole: Scene = async ({ guest, dir }) => {
  const target = await receiver(50);
  const capture = await start(dir);
  await Promise.all([guest.python(datagrams(target.port, 50)), target.all]);
  const counts = await capture.finish();
  target.close();
  const path = join(dir, 'dump.pcap');
  const { flows, notes } = await captured(path);
  const { mode } = await stat(path);
  return {
    counts,
    flows: flows.map(({ src, dst, bytesOut }) => ({ src, dst, bytesOut })),
    notes,
    mode: mode & 0o777,
  };
};

/** The agent's and the results' traffic stays out, unless the submitter debugs the sniffer. */
export const filtered: Scene = async ({ guest, dir }) => {
  const results = createServer((socket) => socket.end().resume()).listen(2042, HOST_IP);
  const other = createServer((socket) => socket.end().resume()).listen(2043, HOST_IP);
  await Promise.all([once(results, 'listening'), once(other, 'listening')]);
  const dial = (port: number): string =>
    `import socket\ns=socket.create_connection(('${HOST_IP}',${port}))\ns.sendall(b'hi')\ns.shutdown(1)\nwhile s.recv(9): pass`;
  const ports = async (more: Partial<TcpdumpStart>): Promise<number[]> => {
    await using capture = await start(dir, more);
    await guest.python(dial(2042));
    await guest.python(dial(2043));
    await capture.finish();
    return (await captured(join(dir, 'dump.pcap'))).flows.map(({ dport }) => dport);
  };
  const debug = filterFor({ debug: true, bpf: 'port 1' });
  const narrowed = filterFor({ bpf: 'udp' });
  const seen = {
    usual: await ports({}),
    debug: await ports({ filter: debug }),
    bpf: await ports({ filter: narrowed }),
  };
  await Promise.all([results, other].map((server) => new Promise((resolve) => server.close(resolve))));
  return seen;
};

/** Linux's cooked frames, as of the interface `any`. */
export const cooked: Scene = async ({ guest, dir }) => {
  const target = await receiver(3);
  const capture = await start(dir, { interface: 'any' });
  await Promise.all([guest.python(datagrams(target.port, 3)), target.all]);
  await capture.finish();
  target.close();
  const { flows, notes } = await captured(join(dir, 'dump.pcap'));
  return { flows: flows.map(({ src, dst, protocol }) => ({ src, dst, protocol })), notes };
};

export const wrong: Scene = async ({ dir }) => ({
  interface: await toldBy(start(dir, { interface: 'nosuch0' })),
  number: await toldBy(start(dir, { interface: '1' })),
  filter: await toldBy(start(dir, { filter: 'tcp prt' })),
  folder: await toldBy(start(join(dir, 'missing'))),
  program: await toldBy(findTcpdump('/opt/nothing/dump')),
  bpf: await toldBy(checkBpf(await findTcpdump('/usr/sbin/tcpdump'), 'tcp port 80) or (udp', patience())),
});

export const killed: Scene = async ({ dir }) => {
  const capture = await start(dir);
  process.kill(await childPid('tcpdump'), 'SIGKILL');
  const failed = await aborted(capture.failed);
  return { failed, finish: await toldBy(capture.finish()) };
};

/** Begins a capture and leaves it to its fate. */
export const left: Scene = async ({ dir }) => {
  await start(dir);
  return childPid('tcpdump');
};

export const unplugged: Scene = async ({ dir }) => {
  await command('ip', 'link', 'add', 'gone0', 'type', 'bridge');
  await command('ip', 'link', 'set', 'gone0', 'up');
  const capture = await start(dir, { interface: 'gone0' });
  await command('ip', 'link', 'del', 'gone0');
  const failed = await aborted(capture.failed);
  await capture[Symbol.asyncDispose]();
  return failed;
};

export const full: Scene = async ({ guest, dir, small }) => {
  const target = await receiver(300);
  const capture = await start(dir, { path: join(small, 'dump.pcap') });
  await guest.python(datagrams(target.port, 300, 1000));
  const failed = await aborted(capture.failed);
  target.close();
  return { failed, finish: await toldBy(capture.finish()) };
};

export const limited: Scene = async ({ guest, dir }) => {
  const target = await receiver(50);
  const capture = await start(dir, { maxBytes: 5_000 });
  await Promise.all([guest.python(datagrams(target.port, 50, 1000)), target.all]);
  const counts = await capture.finish();
  target.close();
  const path = join(dir, 'dump.pcap');
  return { counts, size: (await stat(path)).size, notes: (await captured(path)).notes };
};
