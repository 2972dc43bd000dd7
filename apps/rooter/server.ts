import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { reason, SandboxError } from '#domain/errors.js';
import { lines } from '#network/rooter/lines.js';
import {
  clientLine,
  MOST_LINE_BYTES,
  SILENCE_MS,
  type ClientLine,
  type DropCounters,
  type RooterLine,
  type RouteRequest,
  type RouteState,
} from '#network/rooter/protocol.js';

/** What the server asks of the leases (leases.ts). */
export interface Desk {
  routes(): Promise<readonly RouteState[]>;
  open(request: RouteRequest, holder: object): Promise<number>;
  close(lease: number): Promise<void>;
  cut(lease: number): Promise<void>;
  abandon(lease: number): Promise<void>;
  has(lease: number): boolean;
  counters(lease: number): Promise<DropCounters>;
}

export interface ServerOptions {
  readonly silenceMs?: number;
  readonly log: (
    level: 'info' | 'warn' | 'error',
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ) => void;
}

/** A worker has one; more than a host has workers is somebody who forgets to close. */
const MOST_CLIENTS = 64;
/** Requests of one client under way; with more, its next lines wait. */
const MOST_AT_ONCE = 64;
/** Bytes of answers that a client does not read. */
const MOST_UNREAD = 1024 * 1024;
/** Milliseconds between two looks whether the clients have declared their machines stopped. */
const LOOK_MS = 20;

/** Takes requests over a unix socket. Every line is answered; whoever goes away loses its guests their network. */
export class RooterServer implements AsyncDisposable {
  readonly server: Server;
  readonly #clients = new Set<Client>();
  #ending = false;

  constructor(
    private readonly desk: Desk,
    private readonly options: ServerOptions,
  ) {
    // What a client asked before it closed its side is answered.
    this.server = createServer({ allowHalfOpen: true }, (socket) => void this.#serve(socket));
    this.server.maxConnections = MOST_CLIENTS;
  }

  /** Cuts off every guest, says so, and waits at most `graceMs` for the clients to declare their machines stopped. */
  async end(graceMs: number): Promise<void> {
    this.#ending = true;
    for (const client of this.#clients) {
      for (const lease of client.leases) await this.#cut(lease);
      client.send({ event: 'ending' });
    }
    const until = Date.now() + graceMs;
    while (Date.now() < until && [...this.#clients].some(({ leases }) => leases.size > 0))
      await sleep(LOOK_MS);
  }

  /** Tells whoever held these leases that their guests are cut off. */
  lost(leases: readonly number[], why: string): void {
    for (const client of this.#clients)
      for (const lease of leases)
        if (client.leases.has(lease)) client.send({ event: 'lost', lease, reason: why });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { server } = this;
    const closed = server.listening ? once(server, 'close') : null;
    if (server.listening) server.close();
    for (const { socket } of this.#clients) socket.destroy();
    await closed;
    await Promise.all([...this.#clients].map(({ over }) => over));
  }

  async #serve(socket: Socket): Promise<void> {
    const { silenceMs = SILENCE_MS, log } = this.options;
    const client = new Client(socket);
    this.#clients.add(client);
    socket.on('error', () => {}); // told by the loop below, too
    socket.setTimeout(silenceMs, () => {
      log('warn', `a client said nothing for ${silenceMs} ms: its guests are cut off`, {
        leases: client.leases.size,
      });
      socket.destroy();
    });
    const underWay = new Set<Promise<void>>();
    try {
      for await (const text of lines(socket, MOST_LINE_BYTES)) {
        const answer = this.#answer(client, text).finally(() => underWay.delete(answer));
        underWay.add(answer);
        if (underWay.size >= MOST_AT_ONCE) await Promise.race(underWay);
      }
    } catch (error) {
      if (error instanceof RangeError)
        client.send({ id: null, ok: false, code: 'BAD_REQUEST', message: error.message });
    }
    await Promise.all(underWay);
    socket.end();
    await this.#abandon(client);
    this.#clients.delete(client);
    client.isOver();
  }

  async #abandon({ leases }: Client): Promise<void> {
    const { log } = this.options;
    for (const lease of leases) {
      try {
        await this.desk.abandon(lease);
        log('warn', `lease ${lease} was lost with its client: its guest is cut off`, { lease });
      } catch (error) {
        log('error', `lease ${lease} cannot be cut off: ${reason(error)}`, { lease });
      }
    }
  }

  /** One guest that cannot be cut off keeps no other's network. */
  async #cut(lease: number): Promise<void> {
    try {
      await this.desk.cut(lease);
    } catch (error) {
      this.options.log('error', `lease ${lease} cannot be cut off: ${reason(error)}`, { lease });
    }
  }

  async #answer(client: Client, text: string): Promise<void> {
    let id: number | null = null;
    try {
      const value = parsed(text);
      id = idOf(value);
      const line = clientLine.safeParse(value);
      if (!line.success) throw new SandboxError('BAD_REQUEST', explained(line.error.issues));
      client.send({ id: line.data.id, ok: true, result: await this.#do(client, line.data) });
    } catch (error) {
      const known = error instanceof SandboxError;
      if (!known) this.options.log('error', `a request failed: ${reason(error)}`);
      client.send({ id, ok: false, code: known ? error.code : 'INTERNAL', message: reason(error) });
    }
  }

  async #do(client: Client, line: ClientLine): Promise<unknown> {
    switch (line.op) {
      case 'ping':
        return {};
      case 'routes':
        return this.desk.routes();
      case 'open':
        return this.#open(client, line.request);
      case 'cut':
        if (this.#isThere(client, line.lease)) await this.desk.cut(line.lease);
        return {};
      case 'close':
        if (this.#isThere(client, line.lease)) await this.desk.close(line.lease);
        client.leases.delete(line.lease);
        return {};
      case 'counters':
        if (!client.leases.has(line.lease)) throw notYours(line.lease);
        return this.desk.counters(line.lease);
    }
  }

  async #open(client: Client, request: RouteRequest): Promise<{ lease: number }> {
    if (this.#isEnding()) throw new SandboxError('ROOTER_AWAY', 'the rooter is being stopped');
    const lease = await this.desk.open(request, client);
    for (const old of client.leases) if (!this.desk.has(old)) client.leases.delete(old);
    client.leases.add(lease);
    const { task, machine, route } = request;
    this.options.log('info', `${machine} has the route ${route}`, { task, machine, lease });
    if (this.#isEnding()) await this.#cut(lease);
    return { lease };
  }

  /** Closed ones may be closed again: the answer to the first time may have come too late. @throws BAD_REQUEST for others' */
  #isThere(client: Client, lease: number): boolean {
    if (client.leases.has(lease)) return true;
    if (this.desk.has(lease)) throw notYours(lease);
    return false;
  }

  /** It may begin while something is awaited. */
  #isEnding(): boolean {
    return this.#ending;
  }
}

class Client {
  readonly leases = new Set<number>();
  readonly over: Promise<void>;
  isOver: () => void = () => {};

  constructor(readonly socket: Socket) {
    this.over = new Promise((resolve) => (this.isOver = resolve));
  }

  send(line: RooterLine): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(line)}\n`);
    if (this.socket.writableLength > MOST_UNREAD) this.socket.destroy();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SandboxError('BAD_REQUEST', 'a line must be one JSON object', { cause });
  }
}

/** Also of what is no request of ours: its sender waits for an answer. */
function idOf(value: unknown): number | null {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : null;
  return Number.isSafeInteger(id) && Number(id) >= 0 ? Number(id) : null;
}

function explained(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  return issues
    .map(({ path, message }) => `${path.map(String).join('.') || 'the request'}: ${message}`)
    .join('; ');
}

function notYours(lease: number): SandboxError {
  return new SandboxError('BAD_REQUEST', `this connection has no lease ${lease}`);
}
