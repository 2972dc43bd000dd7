import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { GuestRoute, GuestRouter } from '#network/bridged/guest-router.js';
import type { FakenetPorts, RouteRequest } from '#network/rooter/protocol.js';

/** A rooter as small as it can be: what the guest sends to any port goes to the fake internet's, by nft. */
export class NftRouter implements GuestRouter {
  readonly wanted: RouteRequest[] = [];
  readonly log: string[] = [];
  /** Of the latest route: to lose it. */
  lost = new AbortController();

  async open(request: RouteRequest): Promise<GuestRoute> {
    this.wanted.push(request);
    this.log.push('route opened');
    this.lost = new AbortController();
    if (request.fakenet !== null) await nft(rules(request, request.fakenet));
    const cut = async (): Promise<void> => {
      this.log.push('route cut');
      if (request.fakenet !== null) await nft('delete table ip fakenet');
    };
    return {
      failed: this.lost.signal,
      counters: async () => ({ droppedPackets: 3, droppedBytes: 180 }),
      ...{ cut, [Symbol.asyncDispose]: cut },
    };
  }
}

function rules(
  { ip, interface: from, resultServer }: RouteRequest,
  { tcp, anyTcp, udp }: FakenetPorts,
): string {
  const to = (protocol: string, ports: Readonly<Record<string, number>>): string =>
    `dnat to ${resultServer.ip} : ${protocol} dport map { ${Object.entries(ports)
      .map(([port, ours]) => `${port} : ${ours}`)
      .join(', ')} }`;
  const guest = `iifname ${from} ip saddr ${ip} ip daddr != ${resultServer.ip}`;
  const set = (ports: Readonly<Record<string, number>>): string => `{ ${Object.keys(ports).join(', ')} }`;
  return `table ip fakenet {
  chain t_pre {
    type nat hook prerouting priority dstnat;
    ${guest} tcp dport ${set(tcp)} ${to('tcp', tcp)}
    ${guest} ip protocol tcp dnat to ${resultServer.ip}:${anyTcp}
    ${guest} udp dport ${set(udp)} ${to('udp', udp)}
  }
}`;
}

async function nft(script: string): Promise<void> {
  const child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdin.end(`${script}\n`);
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`nft: ${said}`);
}
