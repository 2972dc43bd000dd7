import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { deadline } from '#domain/deadline.js';
import { isErrorCode, reason, SandboxError } from '#domain/errors.js';
import { lines } from './lines.js';
import {
  countersResult,
  MOST_LINE_BYTES,
  openResult,
  PING_MS,
  rooterLine,
  routesResult,
  SILENCE_MS,
  type ClientLine,
  type DropCounters,
  type RouteRequest,
  type RouteState,
} from './protocol.js';

/** Milliseconds for the socket to take a connection. */
const CONNECT_MS = 5_000;
/** Milliseconds for an answer: some changes run a dozen programs, each bounded itself. */
const ANSWER_MS = 30_000;

export interface RouteLease extends AsyncDisposable {
  /** Aborts when the rooter went away or lost the lease: the task must end. Its reason says why. */
  readonly failed: AbortSignal;
  /** What the guest tried and could not. */
  counters(signal: AbortSignal): Promise<DropCounters>;
  /** Cuts the guest off entirely, whether its machine still runs or not. Disposing does the same in silence. */
  cut(signal: AbortSignal): Promise<void>;
  /**
   * The machine has stopped: everything of the lease is taken back. Until this succeeded the rooter counts on a machine
   * that runs.
   */
  close(signal: AbortSignal): Promise<void>;
}

/** A lease as this side knows it. */
interface Held {
  readonly failed: AbortController;
  isCut: boolean;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** `Omit` over each case of a union. */
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A connection to `malkoha rooter`. Its leases live as long as it does. */
export class RooterClient implements AsyncDisposable {
  #next = 1;
  readonly #waiting = new Map<number, Waiting>();
  readonly #leases = new Map<number, Held>();
  #ending = false;
  readonly #gone = new AbortController();

  private constructor(
    private readonly socket: Socket,
    private readonly path: string,
  ) {
    void this.#read();
    void this.#beat();
  }

  /** @throws ROOTER_AWAY that says whether the socket is missing, refuses, or is not for this user */
  static async connect(path: string, signal: AbortSignal): Promise<RooterClient> {
    signal.throwIfAborted();
    using time = deadline(CONNECT_MS, signal);
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal: time.signal });
      return new RooterClient(socket, path);
    } catch (cause) {
      socket.destroy();
      signal.throwIfAborted();
      throw new SandboxError('ROOTER_AWAY', whyNot(path, cause), { cause });
    }
  }

  /** Nothing can be asked any more. */
  get lost(): boolean {
    return this.#gone.signal.aborted;
  }

  async routes(signal: AbortSignal): Promise<readonly RouteState[]> {
    return this.#ask({ op: 'routes' }, routesResult, signal);
  }

  /** From then on the guest reaches what the route allows and nothing else. @throws ROUTE_UNAVAILABLE, BAD_REQUEST */
  async open(request: RouteRequest, signal: AbortSignal): Promise<RouteLease> {
    const { lease } = await this.#ask({ op: 'open', request }, openResult, signal);
    const held: Held = { failed: new AbortController(), isCut: false };
    this.#leases.set(lease, held);
    if (this.#gone.signal.aborted) held.failed.abort(this.#gone.signal.reason);
    // Said before the answer was read.
    if (this.#ending) held.failed.abort(this.#endingError());
    const cut = async (until: AbortSignal): Promise<void> => {
      if (held.isCut || !this.#leases.has(lease)) return;
      await this.#ask({ op: 'cut', lease }, null, until);
      held.isCut = true;
    };
    return {
      failed: held.failed.signal,
      counters: (until) => this.#ask({ op: 'counters', lease }, countersResult, until),
      cut,
      close: async (until) => {
        if (!this.#leases.has(lease)) return;
        await this.#ask({ op: 'close', lease }, null, until);
        this.#leases.delete(lease);
      },
      // What cannot be told is done by the rooter itself once this connection is gone, or by the next one when it starts.
      [Symbol.asyncDispose]: () => cut(new AbortController().signal).catch(() => {}),
    };
  }

  /** Guests of leases that are still open are cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.closed) return;
    const closed = once(this.socket, 'close');
    this.socket.destroy();
    await closed;
  }

  async #ask<T>(line: WithoutId<ClientLine>, result: z.ZodType<T> | null, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#gone.signal.aborted) throw this.#gone.signal.reason;
    const id = this.#next++;
    using time = deadline(ANSWER_MS, signal);
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      time.signal.addEventListener('abort', () => reject(time.signal.reason as Error), { once: true });
    });
    this.socket.write(`${JSON.stringify({ id, ...line })}\n`);
    try {
      const value = await answer;
      return result === null ? (undefined as T) : result.parse(value);
    } catch (error) {
      if (!time.signal.aborted) throw error;
      if (line.op === 'open')
        this.#waiting.set(id, { resolve: (late) => this.#giveBack(late), reject: () => {} });
      signal.throwIfAborted();
      throw this.#error(`the rooter at ${this.path} did not answer within ${ANSWER_MS / 1000} s`);
    } finally {
      if (!time.signal.aborted) this.#waiting.delete(id);
    }
  }

  /** A lease that came when nobody waited for it any more: its machine was never started with it. */
  #giveBack(opened: unknown): void {
    const { lease } = openResult.parse(opened);
    this.#ask({ op: 'close', lease }, null, this.#gone.signal).catch(() => {});
  }

  async #read(): Promise<void> {
    try {
      for await (const text of lines(this.socket, MOST_LINE_BYTES)) this.#hear(text);
      this.#end('it ended, or closed the connection');
    } catch (error) {
      this.#end(reason(error));
    }
  }

  #hear(text: string): void {
    const line = rooterLine.parse(JSON.parse(text));
    if ('event' in line) {
      if (line.event === 'ending') {
        this.#ending = true;
        for (const { failed } of this.#leases.values()) failed.abort(this.#endingError());
        return;
      }
      const lost = this.#error(`the rooter cut the guest off: ${line.reason}`);
      this.#leases.get(line.lease)?.failed.abort(lost);
      return;
    }
    const waiting = line.id === null ? undefined : this.#waiting.get(line.id);
    this.#waiting.delete(line.id ?? 0);
    if (line.ok) waiting?.resolve(line.result);
    else waiting?.reject(new SandboxError(isErrorCode(line.code) ? line.code : 'INTERNAL', line.message));
  }

  async #beat(): Promise<void> {
    const never = this.#gone.signal;
    try {
      for (;;) {
        await sleep(PING_MS, undefined, { signal: never });
        using time = deadline(SILENCE_MS, never);
        await this.#ask({ op: 'ping' }, null, time.signal);
      }
    } catch {
      this.#end('it answers no more');
    }
  }

  #end(why: string): void {
    if (this.#gone.signal.aborted) return;
    const error = this.#error(`the rooter at ${this.path} is lost: ${why}`);
    this.#gone.abort(error);
    for (const { failed } of this.#leases.values()) failed.abort(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.socket.destroy();
  }

  #endingError(): SandboxError {
    return this.#error('the rooter is being stopped');
  }

  #error(what: string): SandboxError {
    return new SandboxError('ROOTER_AWAY', what);
  }
}

function whyNot(path: string, cause: unknown): string {
  const start = 'start `malkoha rooter` as root';
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return `there is no socket of a rooter at ${path}: ${start}, or name its socket in [cuckoo] rooter of cuckoo.conf`;
  if (code === 'ECONNREFUSED') return `the rooter of ${path} has ended and left its socket: ${start} again`;
  if (code === 'EACCES' || code === 'EPERM')
    return `this user may not use the rooter at ${path}: start \`malkoha rooter\` with -g GROUP and be in that group, or with --user NAME`;
  return `the rooter at ${path} takes no connection: ${reason(cause)}`;
}
