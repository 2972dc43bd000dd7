import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { ProtocolError } from '#domain/errors.js';
import { until } from '../../until.js';

/** Longest line accepted from QEMU, bytes. Its answers are a few kB; a guest that took QEMU over sends anything. */
const MAX_LINE = 1 << 20;

/** Pieces of an unfinished line kept apart before they are joined. */
const MAX_PARTS = 256;

const message = z.union([
  z.object({ QMP: z.object({ version: z.object({ qemu: z.record(z.string(), z.number()) }) }) }),
  z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).default({}) }),
  z.object({ id: z.number(), error: z.object({ class: z.string(), desc: z.string() }) }),
  z.object({ id: z.number(), return: z.unknown() }),
]);

export interface QmpEvent {
  /** E.g. `SHUTDOWN`, `MIGRATION`. */
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU understood the command and said no. */
export class QmpError extends Error {
  override readonly name = 'QmpError';

  constructor(
    readonly command: string,
    /** E.g. `GenericError`, `CommandNotFound`. */
    readonly errorClass: string,
    readonly description: string,
  ) {
    super(`${command}: ${description.slice(0, 300)}`);
  }
}

/** The connection ended: nothing more can be asked. */
export class QmpClosed extends Error {
  override readonly name = 'QmpClosed';
}

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * QEMU's control channel: one JSON document per line, commands answered by id, events in between.
 *
 * @see https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export class Qmp implements Disposable {
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #onClose = new Set<(why: Error) => void>();
  readonly #partial: Buffer[] = [];
  #partialBytes = 0;
  #consumed = 0;
  #lastId = 0;
  #ended: Error | undefined;

  private constructor(private readonly stream: Duplex) {
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('error', (cause) => this.#end(new QmpClosed('QMP connection failed', { cause })));
    stream.on('close', () => this.#end(new QmpClosed('QMP connection closed')));
  }

  /** Waits for the greeting and leaves negotiation mode. Takes the stream over, also when it fails. */
  static async open(stream: Duplex, signal: AbortSignal): Promise<Qmp> {
    const qmp = new Qmp(stream);
    try {
      await qmp.#once('QMP', () => true, signal);
      await qmp.execute('qmp_capabilities', {}, signal);
      return qmp;
    } catch (error) {
      qmp[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws QmpError when QEMU refuses, QmpClosed when it goes away first */
  async execute(
    command: string,
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (this.#ended) throw this.#ended;
    const id = ++this.#lastId;
    return until(signal, (resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject });
      this.stream.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
      return () => this.#pending.delete(id);
    });
  }

  /** The next event of that name that fits. Ask before causing it: events are not kept. */
  once(name: string, fits: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    return this.#once(name, fits, signal);
  }

  /** Calls back for every event until the connection ends. */
  onEvent(listener: (event: QmpEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** Calls back once when the connection ends, for whatever reason. */
  onClose(listener: (why: Error) => void): void {
    if (this.#ended) listener(this.#ended);
    else this.#onClose.add(listener);
  }

  [Symbol.dispose](): void {
    this.#end(new QmpClosed('QMP connection closed by us'));
  }

  #once(name: string, fits: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    return until(signal, (resolve, reject) => {
      if (this.#ended) reject(this.#ended);
      const listener = (event: QmpEvent) => {
        if (event.event === name && fits(event)) resolve(event);
      };
      this.#listeners.add(listener);
      this.#onClose.add(reject);
      return () => {
        this.#listeners.delete(listener);
        this.#onClose.delete(reject);
      };
    });
  }

  #take(chunk: Buffer): void {
    this.#consumed += chunk.length;
    let rest = chunk;
    for (let at = rest.indexOf(10); at !== -1 && !this.#ended; at = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#partial.splice(0), rest.subarray(0, at)]);
      this.#partialBytes = 0;
      rest = rest.subarray(at + 1);
      if (line.length > MAX_LINE) this.#refuse(`QMP line of more than ${MAX_LINE} bytes`);
      else if (line.length > 1) this.#receive(line.toString('utf8'));
    }
    if (this.#ended || rest.length === 0) return;
    this.#partial.push(rest);
    this.#partialBytes += rest.length;
    // One byte per write must not cost us an object per byte.
    if (this.#partial.length > MAX_PARTS) this.#partial.push(Buffer.concat(this.#partial.splice(0)));
    if (this.#partialBytes > MAX_LINE) this.#refuse(`QMP line of more than ${MAX_LINE} bytes`);
  }

  #receive(line: string): void {
    const parsed = message.safeParse(json(line));
    if (!parsed.success) {
      this.#refuse('QMP line that is no QMP message');
      return;
    }
    const received = parsed.data;
    if ('QMP' in received) this.#tell({ event: 'QMP', data: received.QMP });
    else if ('event' in received) this.#tell(received);
    else this.#answer(received);
  }

  #tell(event: QmpEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #answer(
    answer: { id: number; return: unknown } | { id: number; error: { class: string; desc: string } },
  ): void {
    const asked = this.#pending.get(answer.id);
    if (!asked) {
      // The answer to a command whose caller gave up is fine; one to a command never given is not.
      if (answer.id > this.#lastId) this.#refuse('QMP answer to a command that was never given');
      return;
    }
    if ('error' in answer) asked.reject(new QmpError(asked.command, answer.error.class, answer.error.desc));
    else asked.resolve(answer.return);
  }

  #refuse(why: string): void {
    this.#end(new ProtocolError(why, this.#consumed));
  }

  #end(why: Error): void {
    if (this.#ended) return;
    this.#ended = why;
    this.#partial.length = 0;
    this.stream.destroy();
    for (const { reject } of [...this.#pending.values()]) reject(why);
    for (const listener of [...this.#onClose]) listener(why);
    this.#listeners.clear();
    this.#onClose.clear();
  }
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // no schema accepts it
  }
}
