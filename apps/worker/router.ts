import { access } from 'node:fs/promises';
import { reason } from '#domain/errors.js';
import { untilSettled } from '#machinery/until.js';
import type { GuestRoute, GuestRouter } from '#network/bridged/guest-router.js';
import type { RouteRequest } from '#network/rooter/protocol.js';
import { RooterClient, type RouteLease } from '#network/rooter/client.js';

/** Milliseconds for the rooter to take a lease back; a change of its tables runs a dozen programs. */
const CLOSE_TIMEOUT_MS = 30_000;

interface Connection {
  readonly made: Promise<RooterClient>;
  /** Null until it is made. */
  client: RooterClient | null;
}

interface Held {
  readonly lease: RouteLease;
  readonly client: RooterClient;
  /** Its machine has stopped: settles when the rooter has taken it back, or does not. */
  closing: Promise<void> | null;
}

/**
 * The way to `malkoha rooter`: one connection, made when the first route is wanted, and anew after it was lost. Keeps the
 * lease of each machine from its opening until the machine has stopped: whoever used it only cuts it.
 */
export class Router implements GuestRouter, AsyncDisposable {
  #connection: Connection | null = null;
  /** By machine. */
  readonly #held = new Map<string, Held>();
  readonly #ending = new AbortController();
  readonly #replaced: Promise<void>[] = [];

  /** @param onProblem hears of a machine that stopped and whose lease the rooter does not take back. Must not throw. */
  constructor(
    readonly socket: string,
    private readonly onProblem: (machine: string, what: string) => void = () => {},
  ) {}

  /** Whether a rooter could be asked at all: without its socket none runs. */
  async isThere(): Promise<boolean> {
    return access(this.socket).then(
      () => true,
      () => false,
    );
  }

  async open(request: RouteRequest, signal: AbortSignal): Promise<GuestRoute> {
    const { machine } = request;
    const before = this.#held.get(machine)?.closing;
    if (before) await untilSettled(before, signal);
    const client = await untilSettled(this.#connected(), signal);
    const lease = await client.open(request, signal);
    this.#held.set(machine, { lease, client, closing: null });
    return lease;
  }

  /** The machine runs no more: what held its guest is taken back. One that did not stop is held until it has. */
  stopped(machine: string): void {
    const held = this.#held.get(machine);
    if (held !== undefined) held.closing ??= this.#close(machine, held);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { closing } of [...this.#held.values()]) await closing;
    this.#ending.abort(new Error('the worker ends'));
    const client = await this.#connection?.made.catch(() => null);
    await Promise.all([...this.#replaced, client?.[Symbol.asyncDispose]()]);
  }

  /** Never rejects. */
  async #close(machine: string, held: Held): Promise<void> {
    const forget = (): void => {
      if (this.#held.get(machine) === held) this.#held.delete(machine);
    };
    try {
      await held.lease.close(AbortSignal.timeout(CLOSE_TIMEOUT_MS));
      forget();
    } catch (error) {
      held.closing = null; // the machine's next stop tries again, or its next route takes the place of this one
      // The rooter does it itself for a connection that is gone.
      if (held.client.lost) forget();
      else this.onProblem(machine, `the rooter does not take its route back: ${reason(error)}`);
    }
  }

  /** The one connection; a task that is cancelled ends its wait, not the connecting of others. */
  #connected(): Promise<RooterClient> {
    const known = this.#connection;
    if (known !== null && known.client?.lost !== true) return known.made;
    if (known?.client) this.#replaced.push(known.client[Symbol.asyncDispose]());
    const connection: Connection = {
      made: RooterClient.connect(this.socket, this.#ending.signal),
      client: null,
    };
    this.#connection = connection;
    connection.made.then(
      (client) => (connection.client = client),
      () => {
        if (this.#connection === connection) this.#connection = null;
      },
    );
    return connection.made;
  }
}
