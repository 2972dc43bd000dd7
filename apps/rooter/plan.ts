import { SandboxError } from '#domain/errors.js';
import type { FakenetPorts, RouteRequest, RouteState } from '#network/rooter/protocol.js';
import { isOwnAddress, leadEverywhere, notUp, routesBy, towards } from './links.js';
import { listeners } from './listeners.js';
import { isInterface, type Permit } from './permit.js';
import type { Line, Plan, Redirect, Routing } from './routing.js';

export interface Rights {
  readonly routing: Routing;
  /** What guests are behind: no line of those. */
  readonly interfaces: ReadonlySet<string>;
  /** May this user's services be reached by guests through a fake internet? Root's, say, may not. */
  readonly mayServe: (uid: number) => boolean;
}

/**
 * InetSim's own services. When it runs on this host only these are reached, and everything else leads to its dummy: the
 * host's other services are none of a guest's business.
 *
 * @see https://www.inetsim.org/documentation.html, inetsim.conf
 */
const INETSIM = {
  tcp: [7, 9, 13, 17, 19, 21, 25, 37, 79, 80, 110, 113, 443, 465, 990, 995, 6667],
  udp: [7, 9, 13, 17, 19, 37, 69, 123, 514],
  dummy: 1,
} as const;
const DNS = 53;
/** iproute2's own tables; we fill none of them. */
const SYSTEM_TABLES = new Set(['main', 'default', 'local', '254', '253', '255']);

type Wanted = Pick<RouteRequest, 'route' | 'resultServer' | 'fakenet'> & Pick<Permit, 'interface'>;

/** What a route comes to here and now. @throws ROUTE_UNAVAILABLE naming what is missing */
export async function plan(wanted: Wanted, rights: Rights): Promise<Plan> {
  const { routing } = rights;
  switch (wanted.route) {
    case 'none':
      return { kind: routing.none };
    case 'drop':
      return { kind: 'drop' };
    case 'internet':
      if (routing.internet === null)
        throw unavailable('internet', '[routing] internet in routing.conf names no interface');
      return line('internet', { interface: routing.internet, table: routing.rtTable }, rights);
    case 'inetsim':
      return routing.inetsim.enabled ? inetsim(routing.inetsim) : fakenet(wanted, rights);
    case 'tor':
      return tor(wanted.resultServer.ip, routing.tor);
    default: {
      const vpn = routing.vpns.find(({ name }) => name === wanted.route);
      if (vpn === undefined)
        throw unavailable(
          wanted.route,
          `routing.conf has no such route; it has ${routeNames(routing).join(', ')}`,
        );
      return line(vpn.name, { interface: vpn.interface, table: vpn.rtTable }, rights);
    }
  }
}

export function routeNames(routing: Routing): readonly string[] {
  return ['none', 'drop', 'internet', 'inetsim', 'tor', ...routing.vpns.map(({ name }) => name)];
}

/** Tries each route as a guest of `sample` would have it; inetsim is the built-in one when no other is configured. */
export async function routeStates(
  rights: Rights,
  sample: Permit | undefined,
): Promise<readonly RouteState[]> {
  const states = routeNames(rights.routing).map(async (name): Promise<RouteState> => {
    const there = { name, available: true, reason: null };
    if (name === 'inetsim' && !rights.routing.inetsim.enabled) return there;
    const resultServer = sample?.resultServer ?? { ip: '127.0.0.1', port: 0 };
    try {
      await plan({ route: name, resultServer, fakenet: null, interface: sample?.interface ?? '' }, rights);
      return there;
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error;
      return { name, available: false, reason: error.message };
    }
  });
  return Promise.all(states);
}

async function line(
  route: string,
  { interface: out, table }: Pick<Line, 'interface' | 'table'>,
  { routing, interfaces }: Rights,
): Promise<Line> {
  const refuse = (why: string): never => {
    throw unavailable(route, why);
  };
  if (!isInterface(out)) refuse(`${JSON.stringify(out)} is no name of an interface`);
  if (interfaces.has(out)) refuse(`${out} is what guests are behind; a line must be another interface`);
  const down = await notUp(out);
  if (down !== null) refuse(down);
  const autoRt = routing.autoRt && !SYSTEM_TABLES.has(table);
  const filled = leadEverywhere(await routesBy(out, table));
  if (!filled && !(autoRt && leadEverywhere(await routesBy(out, 'main'))))
    refuse(
      `the routing table ${table} has no default route out of ${out}${autoRt ? ', and the table main has none either' : ''} (\`ip route show table ${table}\`)`,
    );
  return { kind: 'line', interface: out, table, autoRt, reject: routing.rejectSegments };
}

async function inetsim({ server, ports, dnsport }: Routing['inetsim']): Promise<Redirect> {
  const via = await towards(server).catch((cause: unknown) => {
    throw new SandboxError(
      'ROUTE_UNAVAILABLE',
      `the route inetsim is not available: nothing leads to [inetsim] server ${server}`,
      { cause },
    );
  });
  const given = new Map(ports.map(({ from, to }) => [from, to]));
  const dns = given.has(DNS) ? [] : ([[DNS, dnsport]] as const);
  if (via !== null)
    return {
      kind: 'redirect',
      server,
      via,
      tcp: new Map([...dns, ...given]),
      udp: new Map([...dns, ...given]),
      others: { tcp: 'same', udp: 'same' },
    };
  const own = (services: readonly number[]) => services.map((port) => [port, port] as const);
  return {
    kind: 'redirect',
    server,
    via,
    tcp: new Map([...own(INETSIM.tcp), ...dns, ...given]),
    udp: new Map([...own(INETSIM.udp), ...dns, ...given]),
    others: { tcp: INETSIM.dummy, udp: INETSIM.dummy },
  };
}

async function tor(server: string, { enabled, dnsport, proxyport }: Routing['tor']): Promise<Redirect> {
  if (!enabled) throw unavailable('tor', '[tor] enabled in routing.conf is no');
  for (const [protocol, port, what] of [
    ['tcp', proxyport, 'TransPort'],
    ['udp', dnsport, 'DNSPort'],
  ] as const)
    if ((await listeners(protocol, server, port)).length === 0)
      throw unavailable(
        'tor',
        `nothing listens at ${server}:${port}/${protocol}, where Tor's ${what} should`,
      );
  return {
    kind: 'redirect',
    server,
    via: null,
    // Tor answers names over UDP only; a guest that asks by TCP asks through Tor.
    tcp: new Map(),
    udp: new Map([[DNS, dnsport]]),
    others: { tcp: proxyport, udp: 'drop' },
  };
}

async function fakenet({ resultServer, fakenet: ports }: Wanted, { mayServe }: Rights): Promise<Redirect> {
  const server = resultServer.ip;
  if (ports === null)
    throw unavailable(
      'inetsim',
      '[inetsim] enabled in routing.conf is no, and the request names no ports of a built-in fake internet',
    );
  if (!(await isOwnAddress(server))) throw unavailable('inetsim', `${server} is no address of this host`);
  for (const [protocol, port] of wantedPorts(ports)) {
    const users = await listeners(protocol, server, port);
    if (users.length === 0) throw unavailable('inetsim', `nothing listens at ${server}:${port}/${protocol}`);
    if (!users.every(mayServe))
      throw unavailable(
        'inetsim',
        `${server}:${port}/${protocol} belongs to user ${users.join(', ')}, whose services guests must not reach`,
      );
  }
  return {
    kind: 'redirect',
    server,
    via: null,
    tcp: numbered(ports.tcp),
    udp: numbered(ports.udp),
    others: { tcp: ports.anyTcp, udp: 'drop' },
  };
}

function wantedPorts({ tcp, anyTcp, udp }: FakenetPorts): readonly (readonly ['tcp' | 'udp', number])[] {
  return [
    ...[...new Set([...Object.values(tcp), anyTcp])].map((port) => ['tcp', port] as const),
    ...[...new Set(Object.values(udp))].map((port) => ['udp', port] as const),
  ];
}

function numbered(ports: Readonly<Record<string, number>>): ReadonlyMap<number, number> {
  return new Map(Object.entries(ports).map(([asked, port]) => [Number(asked), port]));
}

function unavailable(route: string, why: string): SandboxError {
  return new SandboxError('ROUTE_UNAVAILABLE', `the route ${route} is not available: ${why}`);
}
