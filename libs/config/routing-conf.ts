import { isIPv4 } from 'node:net';
import {
  bool,
  choice,
  int,
  list,
  matching,
  splitList,
  text,
  unused,
  unusedKeys,
  type Field,
  type Section,
  type Values,
} from './field.js';
import type { Findings } from './findings.js';
import { INTERFACE, INTERFACE_WORDS, ipv4, sectionNames } from './machine-conf.js';
import { hint, noteUnnamed, readConf, readSection, type Conf, type ConfSource } from './read-conf.js';

const ALWAYS_DROP = 'packets are dropped before any route is opened.';
const OWN_TABLE = 'all rules are in a table of their own.';
const CHECKED = 'a route is checked each time it is opened, and refused when it is not there.';

/** conf/routing.conf: where the packets of machines of your own may go. The default guest has a network of its own. */
export const ROUTING_CONF = {
  routing: {
    route: matching(
      'none',
      /^[\w.-]{1,63}$/,
      'none, drop, internet, inetsim, tor, or the name of a VPN',
      'Route of tasks that do not ask for one.',
    ),
    none: choice(
      'drop',
      ['host'],
      'What the route none means. drop: no packet gets out. host: as in Cuckoo, no rules at all; what the host forwards\nand which of its services listen is up to you.',
    ),
    internet: matching(
      'none',
      INTERFACE,
      `none, or ${INTERFACE_WORDS}`,
      'Interface of the route internet: packets leave by it, behind its address. none: there is no such route.',
    ),
    rt_table: matching('main', /^[\w.-]{1,31}$/, 'a routing table of ip-route(8)', 'Routing table for it.'),
    auto_rt: bool(
      true,
      'Fill the routing tables of VPNs and of internet with the routes of their interfaces.',
    ),
    drop: unused('no', ALWAYS_DROP, ['yes']),
    reject_segments: segments('Networks that the routes internet and VPN do not reach, such as 10.0.0.0/8.'),
    reject_hostports: unused('none', 'no route reaches a service of the host but the result server.'),
    nat: unused('yes', 'the route internet always leaves behind the address of its interface.'),
    no_local_routing: unused('yes', OWN_TABLE, ['no']),
    verify_interface: unused('yes', CHECKED),
    verify_rt_table: unused('yes', CHECKED),
    enable_pcap: unused('no', '[sniffer] in auxiliary.conf says whether packets are captured.'),
  },
  inetsim: {
    enabled: bool(
      false,
      'Send what guests say to a fake internet of your own (INetSim, FakeNet-NG) with the route inetsim. no: the built-in\none answers that route.',
    ),
    server: ipv4('192.168.56.1', 'Its address.'),
    ports: ports('Its ports, where they differ: pairs <asked>:<answered by>.'),
    dnsport: int(53, 'Its port for DNS.', { min: 1, max: 65535 }),
    interface: matching(
      '',
      INTERFACE,
      INTERFACE_WORDS,
      'Interface that it is behind. Empty: that of the guest.',
    ),
  },
  tor: {
    enabled: bool(false, 'Offer the route tor; Tor must listen at the address of the result server.'),
    dnsport: int(5353, 'Its DNSPort.', { min: 1, max: 65535 }),
    proxyport: int(9040, 'Its TransPort.', { min: 1, max: 65535 }),
    interface: matching(
      '',
      INTERFACE,
      INTERFACE_WORDS,
      'Interface that it is behind. Empty: that of the guest.',
    ),
  },
  vpn: {
    enabled: bool(false, 'Offer the routes of VPNs.'),
    vpns: sectionNames('routing', '', 'VPNs: each is a section [<name>] of its own.'),
    random_vpn: unused('no', 'a task names its VPN.'),
  },
  nexthop: unusedKeys('there are no gateways by next hop; name a routing table in rt_table.', {
    enabled: 'no',
    gateways: 'gw1',
    default_policy: 'roundrobin',
    fail_closed: 'yes',
    vm_net: '192.168.100.0/24',
  }),
  socks5: unusedKeys('there are no SOCKS proxies; [tor] is one.', {
    enabled: 'no',
    random_socks5: 'no',
    proxies: '',
  }),
} as const satisfies Record<string, Section>;

/** A section named in `[vpn] vpns`. */
export const ROUTING_VPN = {
  name: text('', 'Its name. Empty: that of the section.'),
  description: text('', 'For people.'),
  interface: matching('', INTERFACE, INTERFACE_WORDS, 'Its interface, which must be there. It is needed.'),
  rt_table: matching(
    '',
    /^[\w.-]{1,31}$/,
    'a routing table of ip-route(8)',
    'Its routing table. Empty: as the interface.',
  ),
} as const satisfies Section;

/** Routes that need no section. */
const STANDARD: readonly string[] = ['none', 'drop', 'internet', 'inetsim', 'tor'];

export interface Vpn {
  readonly name: string;
  readonly description: string;
  readonly interface: string;
  readonly rtTable: string;
}

export interface RoutingSettings {
  /** none, drop, internet, inetsim, tor, or the name of one of `vpns`. */
  readonly route: string;
  readonly none: 'drop' | 'host';
  /** Interface; null: there is no route internet. */
  readonly internet: string | null;
  readonly rtTable: string;
  readonly autoRt: boolean;
  /** IPv4 networks as address/bits. */
  readonly rejectSegments: readonly string[];
  readonly inetsim: Values<typeof ROUTING_CONF.inetsim>;
  readonly tor: Values<typeof ROUTING_CONF.tor>;
  /** None unless `[vpn] enabled`. */
  readonly vpns: readonly Vpn[];
}

export interface PortPair {
  readonly from: number;
  readonly to: number;
}

export function routingSettings(source: ConfSource, findings: Findings): RoutingSettings {
  const conf = readConf(source, { schema: ROUTING_CONF, strict: [] }, findings);
  const { routing, inetsim, tor, vpn, nexthop, socks5 } = conf.values;
  const named = [vpn.vpns, nexthop.gateways, socks5.proxies].flatMap(splitList);
  noteUnnamed(conf, named, 'is not named in [vpn] vpns', findings);
  const vpns = vpn.enabled ? readVpns(source.file, splitList(vpn.vpns), conf, findings) : [];
  const internet = ['none', ''].includes(routing.internet.toLowerCase()) ? null : routing.internet;
  const settings: RoutingSettings = {
    ...{ route: routing.route.toLowerCase() === 'false' ? 'drop' : routing.route, none: routing.none },
    ...{ internet, rtTable: routing.rt_table, autoRt: routing.auto_rt },
    ...{ rejectSegments: routing.reject_segments, inetsim, tor, vpns },
  };
  checkRoute(settings, conf.given.get('routing.route') ?? source, findings);
  return settings;
}

function readVpns(
  file: string,
  names: readonly string[],
  conf: Pick<Conf<typeof ROUTING_CONF>, 'others' | 'given'>,
  findings: Findings,
): readonly Vpn[] {
  const taken = new Set<string>();
  return names.flatMap((section) => {
    const found = conf.others.get(section);
    if (found === undefined) {
      const near = hint(section, [...conf.others.keys()]);
      const place = conf.given.get('vpn.vpns') ?? { file };
      findings.problem(place, `[vpn] vpns names "${section}", but there is no section [${section}]${near}`);
      return [];
    }
    const values = readSection(found.entries, { schema: ROUTING_VPN, strict: false }, findings);
    const { description, interface: at } = values;
    if (at === '') findings.problem(found.place, `[${section}] has no interface: the VPN's is needed`);
    const name = values.name || section;
    if (STANDARD.includes(name) || taken.has(name)) {
      const place = found.entries.find(({ key }) => key === 'name') ?? found.place;
      findings.problem(place, `[${section}] name = ${JSON.stringify(name)}: it is the name of another route`);
    }
    taken.add(name);
    return [{ name, description, interface: at, rtTable: values.rt_table || at }];
  });
}

/** The route that tasks get without asking must be there. */
function checkRoute(
  { route, internet, tor, vpns }: RoutingSettings,
  place: { file: string; line?: number },
  findings: Findings,
): void {
  const wrong = (why: string): void =>
    findings.problem(place, `[routing] route = ${JSON.stringify(route)}: ${why}`);
  if (['none', 'drop', 'inetsim'].includes(route) || vpns.some(({ name }) => name === route)) return;
  if (route === 'internet') {
    if (internet === null) wrong('[routing] internet must name the interface of that route');
    return;
  }
  if (route === 'tor') {
    if (!tor.enabled) wrong('[tor] enabled must be yes for that route');
    return;
  }
  const known = [...STANDARD, ...vpns.map(({ name }) => name)];
  wrong(`expected ${known.join(', ')}${vpns.length === 0 ? ', or a VPN of [vpn]' : ''}${hint(route, known)}`);
}

/** `80:8080 443:8443`, pairs also separated by commas. */
function ports(doc: string): Field<readonly PortPair[]> {
  const parse = (value: string): readonly PortPair[] | undefined => {
    const pairs = splitList(value.replaceAll(/\s+/g, ',')).map((pair) => {
      const [, from, to] = /^(\d{1,5}):(\d{1,5})$/.exec(pair) ?? [];
      return { from: Number(from ?? 0), to: Number(to ?? 0) };
    });
    const good = pairs.every(({ from, to }) => isPort(from) && isPort(to));
    return good ? pairs : undefined;
  };
  return { ...list([], doc), fallback: [], accepted: 'pairs such as 80:8080 443:8443', parse };
}

function isPort(number: number): boolean {
  return number >= 1 && number <= 65535;
}

function segments(doc: string): Field<readonly string[]> {
  const parse = (value: string): readonly string[] | undefined => {
    if (value.toLowerCase() === 'none') return [];
    const networks = splitList(value.replaceAll(/\s+/g, ','));
    return networks.every(isNetwork) ? networks : undefined;
  };
  return { ...list([], doc), written: 'none', accepted: 'none, or networks such as 10.0.0.0/8', parse };
}

function isNetwork(network: string): boolean {
  const [address = '', bits = '32', ...more] = network.split('/');
  return isIPv4(address) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32 && more.length === 0;
}
