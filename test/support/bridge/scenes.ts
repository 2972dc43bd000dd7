import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ARTIFACTS, type FakenetRecord } from '#domain/artifacts.js';
import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { pcapHeader } from '#formats/pcap-writer.js';
import { openBridged, type BridgedTask } from '#network/bridged/bridged-network.js';
import { FakenetHost } from '#network/bridged/fakenet-host.js';
import { CertificateAuthority } from '#network/fakenet/ca.js';
import { readFakenet } from '#processing/traffic/fakenet.js';
import { networkFacts } from '#processing/traffic/network-section.js';
import { ResultServer } from '#resultserver/resultserver.js';
import * as captures from './captures.js';
import { detonated } from './detonation.js';
import { GUEST_IP, HOST_IP, OTHER_IP } from './guest.js';
import { NftRouter } from './nft-router.js';
import { aborted, captured, MACHINE, patience, type Scene, type Stage, toldBy } from './stage.js';

/** An upload from the guest's address is the task's, one from another address is nobody's. */
const results: Scene = async ({ guest, dir }) => {
  await using server = new ResultServer();
  await server.listen(HOST_IP, 2042);
  const task = await server.open({ id: 1, dir, dialect: 'cuckoo2', guestIp: GUEST_IP });
  const upload = (from: string, name: string): string =>
    `import socket\ns=socket.create_connection(('${HOST_IP}',2042),5,('${from}',0))\ns.sendall(b'FILE\\nfiles/${name}\\nbody')\ns.shutdown(1)\nprint(s.recv(9))`;
  await guest.python(upload(GUEST_IP, 'mine'));
  const other = await guest.python(upload(OTHER_IP, 'theirs')).catch(() => 'reset');
  await task.finish();
  return { other: other.trim(), files: await readdir(join(dir, 'files')), stats: task.stats };
};

interface Opened {
  readonly router: NftRouter;
  readonly notes: string[];
  readonly options: BridgedTask;
}

function bridged(dir: string, fakenet: FakenetHost | null, more: Partial<BridgedTask> = {}): Opened {
  const router = new NftRouter();
  const notes: string[] = [];
  const sniffer = { enabled: true, tcpdump: '/usr/sbin/tcpdump', bpf: '' };
  const options = {
    ...{ machine: MACHINE, taskId: 7, route: 'inetsim', options: null, dir, sniffer, capture: null },
    ...{ router, fakenet, onNote: (what: string) => void notes.push(what), ...more },
  };
  return { router, notes, options };
}

const NTP = `import socket,struct
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(5)
s.sendto(b'\\x1b'+b'\\0'*47,('192.0.2.123',123)); print(struct.unpack('!I',s.recv(99)[40:44])[0]-2208988800)`;
const RAW = `import socket
s=socket.create_connection(('203.0.113.9',4444),5); s.sendall(b'beacon'); s.shutdown(1)
while s.recv(9): pass`;

const BRIDGE_FILTER = '/proc/sys/net/bridge/bridge-nf-call-iptables';

/** Where the host filters bridged traffic, captures show the guest's packets turned; elsewhere they show them as sent. */
const internet: Scene = (stage) => visit(stage, '1');
const unbridged: Scene = (stage) => visit(stage, '0');

/** A guest's afternoon on the fake internet. */
async function visit({ guest, dir }: Stage, filtersBridges: '0' | '1'): Promise<unknown> {
  await writeFile(BRIDGE_FILTER, filtersBridges).catch(() => undefined); // no br_netfilter: nothing to switch
  const ca = await CertificateAuthority.create();
  const pem = join(dir, 'ca.pem');
  await writeFile(pem, ca.certificate);
  await using fakenet = await FakenetHost.listen(HOST_IP, ca);
  const { router, notes, options } = bridged(dir, fakenet);
  const network = await openBridged(options, patience());
  network.setClock(Date.UTC(2031, 2, 4) - Date.now());
  const curl = (...args: readonly string[]): Promise<string> =>
    guest.run(
      'curl',
      '-sS',
      '--max-time',
      '10',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} %{remote_ip}',
      ...args,
    );
  const seen = {
    http: await curl('http://one.example/a.txt'),
    post: await curl('-d', 'secret=1', 'http://two.example:8000/gate.php'),
    https: await curl('--cacert', pem, 'https://one.example/b'),
    bare: await curl('http://203.0.113.7/'),
    wget: await guest.run('wget', '-q', '-O', '-', 'http://three.example/x.txt'),
    ftp: await guest.run('curl', '-sS', '--max-time', '10', 'ftp://files.example/pub/x.txt'),
    ntp: new Date(Number(await guest.python(NTP)) * 1000).getUTCFullYear(),
  };
  await guest.python(RAW);
  await network.finish();
  const capture = await captured(join(dir, ARTIFACTS.pcap));
  const { records } = await readFakenet(lines(await readFile(join(dir, ARTIFACTS.fakenet), 'utf8')));
  const { section } = networkFacts(capture, records, null, 0);
  return {
    ...{ seen, notes, log: router.log, records: records.map(inShort) },
    tcp: section.tcp.map(({ dst, dport, host, service }) => `${dst}:${dport} ${host ?? ''} ${service ?? ''}`),
    udp: [...new Set(section.udp.map(({ dst, dport, service }) => `${dst}:${dport} ${service ?? ''}`))],
    ...{ http: section.http.map(({ uri, body }) => `${uri} ${body}`.trim()), dead: section.dead_hosts },
    ...{ domains: section.domains.map(({ domain }) => domain), sni: section.tls.map(({ sni }) => sni) },
  };
}

async function* lines(text: string): AsyncIterable<string> {
  yield* text.split('\n').filter(Boolean);
}

function inShort(record: FakenetRecord): string {
  switch (record.kind) {
    case 'dns':
      return `dns ${record.type} ${record.name}`;
    case 'http':
      return `http ${record.dst.ip}:${record.dst.port} ${record.method} ${record.host}${record.uri}`;
    case 'tls':
      return `tls ${record.dst.ip}:${record.dst.port} ${record.sni ?? ''}`;
    case 'tcp':
    case 'udp':
      return `${record.kind} ${record.dst.ip}:${record.dst.port} ${record.service}`;
    case 'omitted':
      return 'omitted';
  }
}

/** Without a capture the port is still known, where it is one of the known ones. */
const uncaptured: Scene = async ({ guest, dir }) => {
  await using fakenet = await FakenetHost.listen(HOST_IP, await CertificateAuthority.create());
  const sniffer = { enabled: false, tcpdump: '', bpf: '' };
  const { notes, options } = bridged(dir, fakenet, { sniffer });
  const network = await openBridged(options, patience());
  await guest.run('curl', '-sS', '--max-time', '10', '-o', '/dev/null', 'http://one.example/a.txt');
  await network.finish();
  const { records } = await readFakenet(lines(await readFile(join(dir, ARTIFACTS.fakenet), 'utf8')));
  return { notes, records: records.map(inShort), files: await readdir(dir) };
};

/** What ends a task, and what is refused before anything is opened. */
const refusals: Scene = async ({ dir }) => {
  const open = (more: Partial<BridgedTask>): Promise<unknown> => {
    const { options, router } = bridged(dir, null, more);
    return toldBy(openBridged(options, patience())).then((error) => ({ error, log: router.log }));
  };
  const { options, router } = bridged(dir, null, { route: 'drop' });
  const network = await openBridged(options, patience());
  router.lost.abort(new SandboxError('ROUTE_UNAVAILABLE', 'the rooter went away'));
  const lost = await aborted(network.failed);
  const machine = (more: Partial<OwnMachine>): OwnMachine => ({ ...MACHINE, ...more });
  return {
    lost,
    finish: await toldBy(network.finish()),
    noInterface: await open({ machine: machine({ interface: '' }) }),
    otherInterface: await open({ machine: machine({ interface: 'vboxnet9' }) }),
    noneButNoInterface: await open({ route: 'none', router: null, machine: machine({ interface: '' }) }),
    nictrace: await open({ machine: machine({ options: ['nictrace'] }) }),
    bpf: await open({ sniffer: { ...options.sniffer, bpf: 'prt 80' } }),
  };
};

/** A machine with nictrace: its hypervisor captures. */
const nictrace: Scene = async ({ dir }) => {
  const log: string[] = [];
  const capture: BridgedTask['capture'] = async (machine, path) => {
    log.push(`${machine.name} to ${path.slice(dir.length)}`);
    return {
      [Symbol.asyncDispose]: async () => {
        log.push('stopped');
        await writeFile(path, pcapHeader());
      },
    };
  };
  const { options } = bridged(dir, null, {
    capture,
    route: 'drop',
    machine: { ...MACHINE, options: ['nictrace'] },
  });
  const network = await openBridged(options, patience());
  const finish = await toldBy(network.finish());
  return { log, finish };
};

export const SCENES = {
  ...captures,
  ...{ results, internet, unbridged, uncaptured, refusals, nictrace, detonated },
};
export type SceneName = keyof typeof SCENES;

/** Plays one scene in a folder of its own. */
export async function play(name: SceneName, stage: Stage): Promise<unknown> {
  const dir = join(stage.dir, name);
  await mkdir(dir);
  return SCENES[name]({ ...stage, dir });
}
