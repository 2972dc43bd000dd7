import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SandboxError } from '#domain/errors.js';
import { makeFolders } from './folders.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { TaskResults, type ResultStats, type ResultTask } from './results.js';

/** One task's results, while it runs. Disposing ends it: see TaskResults. Never throws. */
export interface Results extends AsyncDisposable {
  /** Takes a stream that the guest of this task opened; whoever calls it vouches for that. */
  accept(stream: Duplex): void;
  readonly stats: ResultStats;
  /**
   * Aborts as soon as the host cannot store what the guest sent, with a SandboxError that names the file and the task's
   * folder: NO_DISK_SPACE, or CAPTURE_FAILED for other reasons.
   */
  readonly failed: AbortSignal;
  /** Ends the task as disposing does, then rejects with the error of `failed` if there was one at any time. */
  finish(): Promise<void>;
}

export interface OpenOptions extends ResultTask {
  /** Connections from this IPv4 belong to the task; null when all of them come through `accept`. */
  readonly guestIp: string | null;
  /** Where this task's limits differ from the server's. */
  readonly budget?: Partial<Limits>;
}

/**
 * The server guests upload to: TCP, one item per connection, and the server never answers a byte.
 *
 * @see spec protocols.md §1, §8.4
 */
export class ResultServer implements AsyncDisposable {
  readonly #limits: Limits;
  readonly #tasks = new Set<TaskResults>();
  readonly #byIp = new Map<string, TaskResults>();
  readonly #servers: Server[] = [];

  constructor(options: { readonly limits?: Partial<Limits> } = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  /**
   * Takes results for one task from now on, and makes the folders that are missing. A task that had the address
   * before loses it: connections without a header are dropped, uploads under way go on there.
   *
   * @throws SandboxError NO_DISK_SPACE or CAPTURE_FAILED when files.json cannot be opened
   */
  async open(options: OpenOptions): Promise<Results> {
    const { guestIp, budget, ...task } = options;
    await makeFolders(task.dir, task.dialect);
    const results = await TaskResults.open(
      task,
      { ...this.#limits, ...budget },
      {
        onClose: (closed) => {
          if (guestIp !== null && this.#byIp.get(guestIp) === closed) this.#byIp.delete(guestIp);
        },
        onEnd: (ended) => this.#tasks.delete(ended),
      },
    );
    this.#tasks.add(results);
    if (guestIp !== null) {
      const before = this.#byIp.get(guestIp);
      this.#byIp.set(guestIp, results);
      before?.close();
    }
    return results;
  }

  /**
   * Listens for guests on bridges; a connection belongs to the task that has its peer's address.
   *
   * @param port 0 for any free one; the answer names it
   * @throws PORT_IN_USE, or CONFIG_INVALID for an address this host has not, naming the address
   */
  async listen(host: string, port: number): Promise<{ host: string; port: number }> {
    const server = createServer({ allowHalfOpen: true, keepAlive: true }, (socket) => this.#route(socket));
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (cause) {
      const what = `the result server cannot listen on ${host}:${port}`;
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE') throw new SandboxError('PORT_IN_USE', what, { cause });
      if (code !== 'EADDRNOTAVAIL') throw cause;
      throw new SandboxError('CONFIG_INVALID', `${what}: this host has no such address`, { cause });
    }
    this.#servers.push(server);
    const address = server.address() as AddressInfo;
    return { host: address.address, port: address.port };
  }

  /** Closes the ports, then ends every open task. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    await Promise.all([...this.#tasks].map((task) => task[Symbol.asyncDispose]()));
    await Promise.all(closed);
  }

  /** The peer's address is all the protocol has for an identity: anti-spoofing is the network's work. */
  #route(socket: Socket): void {
    const results = this.#byIp.get((socket.remoteAddress ?? '').replace(/^::ffff:/, ''));
    if (results) {
      results.accept(socket);
      return;
    }
    socket.on('error', () => undefined);
    socket.destroy();
  }
}
