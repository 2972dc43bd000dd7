import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Duplex } from 'node:stream';

type Accept = (stream: Duplex) => void;

/**
 * One port on the loopback per machine, for guests behind QEMU's user-mode network: all of them come from 127.0.0.1, so
 * the port tells whose results these are. Between tasks nobody is let in.
 */
export class ResultPorts implements AsyncDisposable {
  readonly #servers = new Map<string, Promise<Server>>();
  readonly #takers = new Map<string, Accept>();

  async of(machine: string): Promise<number> {
    let server = this.#servers.get(machine);
    if (server === undefined) {
      server = this.#listen(machine);
      this.#servers.set(machine, server);
      server.catch(() => this.#servers.delete(machine));
    }
    return ((await server).address() as AddressInfo).port;
  }

  /** What the machine's guest sends goes to `accept` until disposed. */
  open(machine: string, accept: Accept): Disposable {
    this.#takers.set(machine, accept);
    return {
      [Symbol.dispose]: () => {
        if (this.#takers.get(machine) === accept) this.#takers.delete(machine);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const made of await Promise.allSettled(this.#servers.values())) {
      if (made.status === 'fulfilled') await new Promise((resolve) => made.value.close(resolve));
    }
  }

  async #listen(machine: string): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, keepAlive: true }, (socket) => {
      const accept = this.#takers.get(machine);
      if (accept !== undefined) {
        accept(socket);
        return;
      }
      socket.on('error', () => undefined);
      socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }
}
