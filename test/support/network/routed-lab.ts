import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RouteRequest } from '#network/rooter/protocol.js';
import { until } from '../until.js';
import { Namespace } from './namespace.js';
import { Probe } from './probe.js';

/** Is in both upstream networks, and answers with the name of the one it was reached through. */
export const SERVER = '192.0.2.80';
export const HOST = '10.0.0.1';
export const GUEST = { g1: '10.0.0.2', g2: '10.0.0.3', g3: '10.0.1.2' } as const;
export type GuestName = keyof typeof GUEST;

const CONF = {
  'cuckoo.conf': `[cuckoo]\nmachinery = kvm\n[resultserver]\nip = ${HOST}\nport = 2042\n`,
  'kvm.conf': `[kvm]
machines = g1, g2, g3
interface = br0
[g1]
ip = ${GUEST.g1}
[g2]
ip = ${GUEST.g2}
[g3]
ip = ${GUEST.g3}
interface = br1
resultserver_ip = 10.0.1.1
`,
  'routing.conf': `[routing]
internet = up1
reject_segments = 198.51.100.128/25
[inetsim]
enabled = no
[tor]
enabled = yes
[vpn]
enabled = yes
vpns = here, filled, gone
[here]
interface = up2
rt_table = 77
[filled]
interface = up1
rt_table = 78
[gone]
interface = tun9
rt_table = 79
`,
} as const;

/**
 * A host in a namespace with two bridges, three guests in namespaces of their own, and two upstream networks:
 *
 *     g1 ─┐
 *     g2 ─┴ br0 ┐        ┌ up1 ── 198.51.100.1, 192.0.2.80  (the default route)
 *     g3 ── br1 ┴ host ──┴ up2 ── 203.0.113.1,  192.0.2.80  (only table 77 leads there)
 *
 * The host has rules of iptables as libvirt makes them, which reject what is forwarded to and from br0.
 */
export class RoutedLab implements AsyncDisposable {
  private constructor(
    readonly home: string,
    readonly host: Namespace,
    /** What up1 leads to. */
    readonly upstream: Namespace,
    readonly guests: Readonly<Record<GuestName, Namespace>>,
    readonly probes: Readonly<Record<GuestName | 'host' | 'up1' | 'up2', Probe>>,
    private readonly all: readonly Namespace[],
  ) {}

  static async make(): Promise<RoutedLab> {
    const all: Namespace[] = [];
    const namespace = async (): Promise<Namespace> => {
      const made = await Namespace.make();
      all.push(made);
      return made;
    };
    try {
      const [host, up1, up2] = [await namespace(), await namespace(), await namespace()];
      const guests = { g1: await namespace(), g2: await namespace(), g3: await namespace() };
      await host.ip(`
        link add br0 address 02:00:00:00:00:01 type bridge
        link add br1 type bridge
        addr add ${HOST}/24 dev br0
        addr add fd00::1/64 dev br0 nodad
        addr add 10.0.1.1/24 dev br1
        link set br0 up
        link set br1 up`);
      // Where the module br_netfilter is loaded, frames between ports pass the rules of IP too; most hosts have it not.
      await host.run(
        'sh',
        '-c',
        'for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do [ ! -e $f ] || echo 0 > $f; done',
      );
      await guest(host, guests.g1, 'g1', 'br0', HOST);
      await guest(host, guests.g2, 'g2', 'br0', HOST);
      await guest(host, guests.g3, 'g3', 'br1', '10.0.1.1');
      await upstream(host, up1, 'up1', '198.51.100');
      await upstream(host, up2, 'up2', '203.0.113');
      await host.ip(`
        route add default via 198.51.100.1 dev up1
        route add default via 203.0.113.1 dev up2 table 77`);
      for (const [chain, way] of [
        ['LIBVIRT_FWI', '-o'],
        ['LIBVIRT_FWO', '-i'],
      ] as const) {
        await host.run('iptables', '-N', chain);
        await host.run('iptables', '-A', 'FORWARD', '-j', chain);
        await host.run('iptables', '-A', chain, way, 'br0', '-j', 'REJECT');
      }
      const home = await mkdtemp(join(tmpdir(), 'rooter-'));
      await mkdir(join(home, 'conf'));
      for (const [name, text] of Object.entries(CONF)) await writeFile(join(home, 'conf', name), text);
      const probes = {
        ...{ g1: Probe.in(guests.g1), g2: Probe.in(guests.g2), g3: Probe.in(guests.g3) },
        ...{ host: Probe.in(host), up1: Probe.in(up1), up2: Probe.in(up2) },
      };
      return new RoutedLab(home, host, up1, guests, probes, all);
    } catch (error) {
      for (const made of all) await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  get socket(): string {
    return join(this.home, 'run', 'rooter.sock');
  }

  /** For rooters that are started after. */
  async configure(file: string, text: string): Promise<void> {
    await writeFile(join(this.home, 'conf', file), text);
  }

  /** Starts `malkoha rooter` in the host, until it listens. */
  async rooter(socket = this.socket, ...args: string[]): Promise<ChildProcess> {
    const main = new URL('../../../apps/rooter/main.ts', import.meta.url);
    const child = this.host.fork(main, ['--home', this.home, '--socket', socket, ...args], 'pipe');
    let said = '';
    child.stderr?.on('data', (text: string) => (said += text));
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown];
    if (typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'ready')
      return child;
    throw new Error(`the rooter did not start: ${JSON.stringify(message)} ${said}`);
  }

  request(machine: GuestName, route: string, more: Partial<RouteRequest> = {}): RouteRequest {
    const second = machine === 'g3';
    return {
      task: 1 + Object.keys(GUEST).indexOf(machine),
      machine,
      ip: GUEST[machine],
      interface: second ? 'br1' : 'br0',
      resultServer: { ip: second ? '10.0.1.1' : HOST, port: 2042 },
      agentPort: 8000,
      route,
      fakenet: null,
      ...more,
    };
  }

  /** Rules, policy routing, routes and settings of interfaces: everything that a rooter changes. */
  async state(): Promise<string> {
    const parts = [
      await this.host.run('nft', 'list', 'ruleset'),
      await this.host.run('ip', 'rule'),
      await this.host.run('ip', '-4', 'route', 'show', 'table', 'all'),
      await this.host.run(
        'sh',
        '-c',
        'grep . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/conf/*/rp_filter',
      ),
    ];
    return parts.join('\n').replaceAll(/packets \d+ bytes \d+/g, 'packets N');
  }

  /** Packets that one of our counters counted. */
  async counter(family: 'inet' | 'bridge', name: string): Promise<number> {
    const text = await this.host.run('nft', 'list', 'counter', family, 'malkoha', name);
    return Number(/packets (\d+)/.exec(text)?.[1]);
  }

  /** Sends until the counter has counted it. What was sent must not have been answered by then. */
  async isDropped(
    counter: readonly ['inet' | 'bridge', string],
    probe: Probe,
    ask: () => Promise<string> | Promise<void>,
  ): Promise<void> {
    const before = await this.counter(...counter);
    let answered: string | undefined;
    const asked = ask().then((said) => void (answered = said ?? undefined));
    await until(async () => answered !== undefined || (await this.counter(...counter)) > before);
    if (answered !== undefined) throw new Error(`an answer came through: ${answered}`);
    await probe.giveUp();
    await asked;
  }

  /** One echo request with any source address, from inside a namespace. */
  async ping(from: Namespace, source: string, target: string): Promise<void> {
    await from.run('python3', '-c', PING, source, target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const made of this.all) await made[Symbol.asyncDispose]();
    await rm(this.home, { recursive: true, force: true });
  }
}

async function guest(
  host: Namespace,
  inside: Namespace,
  name: GuestName,
  bridge: string,
  gateway: string,
): Promise<void> {
  await host.ip(`
    link add tap-${name} type veth peer name eth0 netns ${inside.pid}
    link set tap-${name} master ${bridge} up`);
  await inside.ip(`
    addr add ${GUEST[name]}/24 dev eth0
    addr add fd00::${name.slice(1)}1/64 dev eth0 nodad
    link set eth0 up
    neigh add fd00::1 lladdr 02:00:00:00:00:01 dev eth0
    route add default via ${gateway}`);
}

async function upstream(host: Namespace, inside: Namespace, name: string, network: string): Promise<void> {
  await host.ip(`
    link add ${name} type veth peer name eth0 netns ${inside.pid}
    addr add ${network}.2/24 dev ${name}
    link set ${name} up`);
  await inside.ip(`
    addr add ${network}.1/24 dev eth0
    addr add ${SERVER}/32 dev lo
    addr add ${network}.200/32 dev lo
    link set eth0 up`);
}

const PING = `
import socket, struct, sys
source, target = map(socket.inet_aton, sys.argv[1:3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 1, 0, 64, socket.IPPROTO_ICMP, 0, source, target)
raw.sendto(head + struct.pack('!BBHHH', 8, 0, 0xf7fe, 0, 1), (sys.argv[2], 0))
`;
