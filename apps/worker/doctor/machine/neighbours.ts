import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { BlockList, isIPv4 } from 'node:net';

export interface Neighbour {
  readonly ip: string;
  /** Hardware address; null: it was asked for, and nobody answered. */
  readonly mac: string | null;
  readonly interface: string;
}

/** ATF_COM of the kernel's include/uapi/linux/if_arp.h: the entry has an address. */
const COMPLETE = 0x2;

/** The ARP table of this process's network namespace. Columns: address, type, flags, hardware address, mask, device. */
export async function neighbours(): Promise<readonly Neighbour[]> {
  const table = await readFile('/proc/self/net/arp', 'latin1').catch(() => '');
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns.length >= 6)
    .map(([ip = '', , flags = '0', mac = '', , device = '']) => ({
      ip,
      mac: (Number(flags) & COMPLETE) === 0 ? null : mac,
      interface: device,
    }));
}

/** Names of this host's interfaces, up or not; of this process's network namespace, which /sys need not show. */
export async function interfaceNames(): Promise<readonly string[]> {
  const table = await readFile('/proc/self/net/dev', 'latin1');
  return table.split('\n').flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
}

/** IPv4 addresses of an interface as `10.77.0.1/24`; none while it is down. */
export function addressesOf(name: string): readonly string[] {
  const list = networkInterfaces()[name] ?? [];
  return list.flatMap(({ family, cidr }) => (family === 'IPv4' && cidr !== null ? [cidr] : []));
}

export function contains(cidr: string, ip: string): boolean {
  const [address = '', bits = '32'] = cidr.split('/');
  if (!isIPv4(address) || !isIPv4(ip)) return false;
  const network = new BlockList();
  network.addSubnet(address, Number(bits));
  return network.check(ip);
}

/** Makes the kernel ask for the hardware address of `ip`: anything that is sent there does. */
export function ask(ip: string): void {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined); // a port that is closed, an address that nobody has: the table tells
  socket.send('', 9, ip, () => socket.close());
}
