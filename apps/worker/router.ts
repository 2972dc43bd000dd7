import { access } from 'node:fs/promises';
import { RooterClient, type RouteLease } from '#network/rooter/client.js';
import type { GuestRouter, RouteWanted } from '#network/bridged/guest-router.js';

/** The way to `malkoha rooter`: one connection, made when the first route is wanted, and anew after it was lost. */
export class Router implements GuestRouter, AsyncDisposable {
  #client: Promise<RooterClient> | null = null;

  constructor(readonly socket: string) {}

  /** Whether a rooter could be asked at all: without its socket none runs. */
  async isThere(): Promise<boolean> {
    return access(this.socket).then(
      () => true,
      () => false,
    );
  }

  async open(request: RouteWanted, signal: AbortSignal): Promise<RouteLease> {
    const client = await this.#connected(signal);
    return client.open(request, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = await this.#client?.catch(() => null);
    await client?.[Symbol.asyncDispose]();
  }

  async #connected(signal: AbortSignal): Promise<RooterClient> {
    const known = await this.#client?.catch(() => null);
    if (known?.lost === false) return known;
    const made = RooterClient.connect(this.socket, signal);
    this.#client = made;
    return made;
  }
}
