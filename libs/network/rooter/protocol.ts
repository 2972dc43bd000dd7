import { z } from 'zod';

/** What a guest may reach, asked for before its machine runs. Everything must be as the configuration of the rooter says. */
export interface RouteRequest {
  readonly task: number;
  /** Name in the configuration. */
  readonly machine: string;
  /** IPv4 address of the guest. */
  readonly ip: string;
  /** Interface of the host that the guest is behind. */
  readonly interface: string;
  readonly resultServer: { readonly ip: string; readonly port: number };
  readonly agentPort: number;
  /** none, drop, internet, inetsim, tor, or the name of a VPN. */
  readonly route: string;
  /**
   * Ports of resultServer.ip where our own fake internet listens, by the port that the guest asked for; `anyTcp` is for
   * all other TCP. With it, the route inetsim needs no InetSim.
   */
  readonly fakenet: FakenetPorts | null;
}

/** Which of our ports stands for which port of the internet, on one address of the host. */
export interface FakenetPorts {
  /** By destination port. */
  readonly tcp: Readonly<Record<string, number>>;
  /** For every other destination port. */
  readonly anyTcp: number;
  readonly udp: Readonly<Record<string, number>>;
}

export interface RouteState {
  readonly name: string;
  readonly available: boolean;
  /** Why it is not. */
  readonly reason: string | null;
}

export interface DropCounters {
  readonly droppedPackets: number;
  readonly droppedBytes: number;
}

/** Bytes of one line, either way: the largest request is a fake internet with a port for each of MOST_PORTS. */
export const MOST_LINE_BYTES = 16 * 1024;
const MOST_PORTS = 64;

/** A client that says nothing for so long has lost its guests: they are cut off. It says `ping` so often. */
export const SILENCE_MS = 15_000;
export const PING_MS = 3_000;

const port = z.int().min(1).max(65_535);
const ports = z
  .record(z.string().regex(/^[1-9]\d{0,4}$/, 'a port'), port)
  .refine((map) => Object.keys(map).length <= MOST_PORTS, `at most ${MOST_PORTS} ports`)
  .refine((map) => Object.keys(map).every((key) => Number(key) <= 65_535), 'ports up to 65535');

export const routeRequest = z.strictObject({
  task: z.int().min(1),
  machine: z.string().min(1).max(128),
  ip: z.ipv4(),
  interface: z.string().min(1).max(15),
  resultServer: z.strictObject({ ip: z.ipv4(), port }),
  agentPort: port,
  route: z.string().regex(/^[\w.-]{1,64}$/, 'the name of a route'),
  fakenet: z.strictObject({ tcp: ports, anyTcp: port, udp: ports }).nullable(),
}) satisfies z.ZodType<RouteRequest>;

const id = z.int().min(0);
const lease = z.int().min(1);

/**
 * One line from a client. Each is answered by one line with its id. `cut`: the guest is cut off, its machine may still
 * run; `close`: the machine has stopped. Both may be said again.
 */
export const clientLine = z.discriminatedUnion('op', [
  z.strictObject({ id, op: z.literal('ping') }),
  z.strictObject({ id, op: z.literal('routes') }),
  z.strictObject({ id, op: z.literal('open'), request: routeRequest }),
  z.strictObject({ id, op: z.literal('cut'), lease }),
  z.strictObject({ id, op: z.literal('close'), lease }),
  z.strictObject({ id, op: z.literal('counters'), lease }),
]);
export type ClientLine = z.infer<typeof clientLine>;

/** An answer; or, without an id, what the rooter says of itself. `id` is null when the line had none that could be read. */
export const rooterLine = z.union([
  z.strictObject({ id, ok: z.literal(true), result: z.unknown() }),
  z.strictObject({ id: id.nullable(), ok: z.literal(false), code: z.string(), message: z.string() }),
  z.strictObject({ event: z.literal('ending') }),
  z.strictObject({ event: z.literal('lost'), lease, reason: z.string() }),
]);
export type RooterLine = z.infer<typeof rooterLine>;

export const routesResult = z.array(
  z.strictObject({ name: z.string(), available: z.boolean(), reason: z.string().nullable() }),
);
export const openResult = z.strictObject({ lease });
export const countersResult = z.strictObject({ droppedPackets: z.int(), droppedBytes: z.int() });
