import { iocMark } from '../marks.js';
import type { CodeSignature } from '../signature.js';

/** Different addresses on one port. Web ports need more: pages come from many hosts. */
const HOSTS = 20;
const WEB_HOSTS = 100;
const WEB = new Set(['80', '443']);

export default {
  name: 'network_scan',
  description: 'Connects to one port on many hosts',
  severity: 4,
  ttp: ['T1046'],
  match({ network, behavior }) {
    const targets = [
      ...(network?.tcp ?? []).map(({ dst, dport }) => `${dst}:${dport}`),
      ...(network?.dead_hosts ?? []).map(([ip, port]) => `${ip}:${port}`),
      ...(behavior?.summary.connects_ip ?? []),
    ];
    const byPort = new Map<string, Set<string>>();
    for (const target of targets) {
      const at = target.lastIndexOf(':');
      const port = target.slice(at + 1);
      // Port 0 and 53 are how resolvers look around.
      if (at === -1 || port === '0' || port === '53') continue;
      byPort.set(port, (byPort.get(port) ?? new Set()).add(target));
    }
    return [...byPort].flatMap(([port, hosts]) =>
      hosts.size >= (WEB.has(port) ? WEB_HOSTS : HOSTS)
        ? [...hosts].sort().map((host) => iocMark('ipaddr', host))
        : [],
    );
  },
} satisfies CodeSignature;
