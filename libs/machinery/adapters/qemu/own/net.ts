import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { SandboxError } from '#domain/errors.js';
import { FD } from '../argv.js';
import { isBridge, masterOf } from './interfaces.js';
import type { OwnQemuMachine, Network } from './machine.js';
import { TAP_OPENER } from './tap.js';

/** IFNAMSIZ less its end. */
const MAX_INTERFACE = 15;

/** @throws CONFIG_INVALID, SETUP_MISSING with the command that helps */
export async function checkNetwork(machine: OwnQemuMachine, network: Network): Promise<void> {
  if (network.kind === 'user') checkAddresses(machine);
  if (network.kind !== 'bridge') return;
  const { bridge, tap } = network;
  if (tap.length > MAX_INTERFACE) {
    const most = MAX_INTERFACE - 'tap_'.length;
    throw new SandboxError(
      'CONFIG_INVALID',
      `its tap would be ${tap}, and names of interfaces end at ${MAX_INTERFACE} letters: give the machine a name of at most ${most}`,
    );
  }
  if (!(await isBridge(bridge))) {
    throw new SandboxError(
      'SETUP_MISSING',
      `interface = ${bridge}: this host has no such bridge; make one: ip link add ${bridge} type bridge && ` +
        `ip addr add ${machine.resultServer.ip}/24 dev ${bridge} && ip link set ${bridge} up ` +
        '(`user` and `malkoha` need none)',
    );
  }
  const master = await masterOf(tap);
  if (master === bridge || (master === null && process.getuid?.() === 0)) return;
  throw new SandboxError(
    'SETUP_MISSING',
    master === null
      ? `its tap ${tap} is missing, and only root can make it: ` +
          `ip tuntap add dev ${tap} mode tap user ${process.getuid?.() ?? 0} && ip link set ${tap} master ${bridge} up`
      : `its tap ${tap} is ${master === '' ? 'behind no bridge' : `behind ${master}`}: ip link set ${tap} master ${bridge} up`,
  );
}

function checkAddresses({ ip, resultServer }: OwnQemuMachine): void {
  if (ip !== resultServer.ip && network24(ip) === network24(resultServer.ip)) return;
  throw new SandboxError(
    'CONFIG_INVALID',
    `ip = ${ip}, resultserver_ip = ${resultServer.ip}: behind interface = user both must be in one /24 network, ` +
      'such as 10.0.2.15 and 10.0.2.2, and differ',
  );
}

function network24(ip: string): string {
  return ip.split('.').slice(0, 3).join('.');
}

/**
 * Copies between the guest's connection (standard input and output) and a port of this host. QEMU's user network starts
 * one for each connection to the result server: restricted, it lets a guest reach nothing else.
 */
const RELAY = [
  'use IO::Socket::INET',
  'my $s = IO::Socket::INET->new(PeerAddr => q(127.0.0.1), PeerPort => shift) or exit 1',
  'my ($i, $o, $up) = (fileno(STDIN), fileno($s), 1)',
  // Whole buffers, since either end may take less at once.
  'sub copy { my ($from, $to) = @_; my $n = sysread($from, my $b, 65536); return 0 if !$n; ' +
    'my $at = 0; while ($at < $n) { my $w = syswrite($to, $b, $n - $at, $at); exit 1 if !$w; $at += $w } 1 }',
  'while (1) { my $r = q(); vec($r, $i, 1) = 1 if $up; vec($r, $o, 1) = 1; select($r, undef, undef, undef); ' +
    'if ($up and vec($r, $i, 1)) { if (!copy(\\*STDIN, $s)) { $up = 0; shutdown($s, 1) } } ' +
    'if (vec($r, $o, 1)) { exit 0 if !copy($s, \\*STDOUT) } }',
].join('; ');

export interface UserNetwork {
  readonly machine: Pick<OwnQemuMachine, 'ip' | 'agentPort' | 'resultServer'>;
  /** Port of 127.0.0.1 that leads to the agent. */
  readonly agent: number;
  /** Port of 127.0.0.1 where the result server listens. */
  readonly results: number;
  readonly perl: string;
}

/** QEMU keeps two addresses for itself, and forwards no connection to them; `host` is who connects to the agent. */
export function userAddresses({ ip, resultServer }: Pick<OwnQemuMachine, 'ip' | 'resultServer'>) {
  const [host = '', dns = ''] = [253, 254, 252, 251]
    .map((last) => `${network24(ip)}.${last}`)
    .filter((address) => address !== ip && address !== resultServer.ip);
  return { host, dns };
}

/**
 * QEMU's user-mode network, restricted: the agent's port is forwarded to us, the result server's to ours, nothing else
 * leads anywhere. The addresses are the guest's own, so its network settings stay as they are.
 */
export function userNetdev({ machine, agent, results, perl }: UserNetwork): string {
  const { ip, agentPort, resultServer } = machine;
  const { host, dns } = userAddresses(machine);
  // A comma ends a word of `-netdev`, unless doubled.
  const relay = `cmd:${perl} -e '${RELAY}' ${results}`.replaceAll(',', ',,');
  return [
    ...['user', 'id=net', 'restrict=on', 'ipv6=off', `net=${network24(ip)}.0/24`],
    ...[`host=${host}`, `dns=${dns}`, `dhcpstart=${ip}`],
    `hostfwd=tcp:127.0.0.1:${agent}-${ip}:${agentPort}`,
    `guestfwd=tcp:${resultServer.ip}:${resultServer.port}-${relay}`,
  ].join(',');
}

export const WIRE_NETDEV = `socket,id=net,fd=${FD.net}`;
export const TAP_NETDEV = `tap,id=net,fd=${FD.net}`;

/** What goes before QEMU so that it is born with its tap open: it has no right to open one itself. */
export function tapOpener(perl: string, tap: string): readonly string[] {
  return [perl, '-e', TAP_OPENER, tap];
}

/** A port of 127.0.0.1 that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
