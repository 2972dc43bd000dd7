import type { Duplex } from 'node:stream';
import { LibvirtConnectionLost, LibvirtProtocolError, LibvirtTimeout } from './error.js';
import { encodeFrame, FrameSplitter, PROGRAM, STATUS, TYPE, type Frame } from './frame.js';
import { readError } from './layouts.js';
import type { Procedure } from './procedures.js';
import { XdrReader, XdrWriter } from './xdr.js';

export interface ConnectionOptions {
  /** Names the other side in errors. */
  readonly name: string;
  /** Calls under way at most; the others wait here. libvirtd serves 5 of one connection (max_client_requests). */
  readonly maxInFlight: number;
  /** Called for each message that nobody asked for; throwing ends the connection. */
  readonly onMessage?: (frame: Frame) => void;
}

export interface CallOptions {
  readonly timeoutMs: number;
  /** Most bytes of the stream that follows the reply; null for a call without one. */
  readonly streamBytes?: number;
}

/** A call between its sending and its answer. */
interface Call {
  readonly procedure: Procedure<never, unknown>;
  readonly request: Frame;
  readonly settle: (outcome: { readonly reply: Buffer; readonly stream: Buffer } | Error) => void;
  readonly stream: { readonly chunks: Buffer[]; left: number } | null;
  reply: Buffer | null;
  /** Its caller gave up; libvirtd may not know yet. */
  abandoned: boolean;
}

/** PROC of the keepalive program. */
const PING = 1;
const PONG = 2;

/** How often a silent peer is pinged, ms, and how many pings it may leave unanswered: libvirt's own defaults. */
const PING_MS = 5000;
const MAX_PINGS = 5;

/**
 * One connection of libvirt's RPC protocol over any byte stream. Calls are pipelined and answered in any order.
 *
 * A call that its caller gave up on keeps its place until libvirtd answers: libvirtd is still busy with it.
 */
export class RpcConnection {
  readonly #calls = new Map<number, Call>();
  readonly #waiting: Call[] = [];
  readonly #splitter = new FrameSplitter();
  readonly #closed: ((error: LibvirtConnectionLost) => void)[] = [];
  #serial = 0;
  #lost: LibvirtConnectionLost | null = null;
  #heard = true;
  #pinger: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: Duplex,
    private readonly options: ConnectionOptions,
  ) {
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', (cause) => this.#end('it broke', cause));
    stream.on('end', () => this.#end('libvirtd closed it'));
    stream.on('close', () => this.#end('it was closed'));
  }

  /** Set once the connection is of no use any more. */
  get lost(): LibvirtConnectionLost | null {
    return this.#lost;
  }

  onClosed(listener: (error: LibvirtConnectionLost) => void): void {
    if (this.#lost === null) this.#closed.push(listener);
    else listener(this.#lost);
  }

  /**
   * @throws LibvirtError, LibvirtConnectionLost, LibvirtTimeout, LibvirtProtocolError when the answer makes no sense,
   *   or the signal's reason
   */
  async call<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<R> {
    return (await this.callStream(procedure, args, options, signal)).reply;
  }

  /** As `call`, with the bytes of the stream that follows the reply. @throws LibvirtProtocolError when they are too many */
  async callStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    { timeoutMs, streamBytes }: CallOptions,
    signal: AbortSignal,
  ): Promise<{ readonly reply: R; readonly stream: Buffer }> {
    signal.throwIfAborted();
    if (this.#lost !== null) throw this.#lost;
    const writer = new XdrWriter();
    procedure.write(writer, args);
    this.#serial = (this.#serial % 0xffff_ffff) + 1;
    const serial = this.#serial;
    const answer = await new Promise<{ reply: Buffer; stream: Buffer }>((resolve, reject) => {
      const call: Call = {
        procedure,
        request: {
          ...procedureOf(procedure),
          type: TYPE.call,
          serial,
          status: STATUS.ok,
          body: writer.end(),
        },
        settle: (outcome) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', cancel);
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        },
        stream: streamBytes === undefined ? null : { chunks: [], left: streamBytes },
        reply: null,
        abandoned: false,
      };
      const cancel = () => this.#giveUp(call, signal.reason as Error);
      const expire = () =>
        this.#giveUp(
          call,
          new LibvirtTimeout(
            `${this.options.name}: ${procedure.name} was not answered within ${timeoutMs} ms`,
          ),
        );
      const timer = setTimeout(expire, timeoutMs);
      signal.addEventListener('abort', cancel, { once: true });
      this.#waiting.push(call);
      this.#sendWaiting();
    });
    return { reply: procedure.read(new XdrReader(answer.reply)), stream: answer.stream };
  }

  /** From now on a peer that is silent is pinged, and one that stays so is lost. */
  keepAlive(intervalMs = PING_MS, maxPings = MAX_PINGS): void {
    let unanswered = 0;
    // Ticks, not times: a process that was stopped for a while must not take its peer for dead.
    this.#pinger = setInterval(() => {
      const silent = !this.#heard;
      this.#heard = false;
      unanswered = silent ? unanswered + 1 : 0;
      if (unanswered > maxPings) {
        this.#end(`it did not answer ${maxPings} pings`);
        return;
      }
      if (silent) this.#send(keepalive(PING));
    }, intervalMs);
    this.#pinger.unref();
  }

  close(): void {
    this.#end('we closed it');
  }

  #giveUp(call: Call, why: Error): void {
    const at = this.#waiting.indexOf(call);
    if (at >= 0) this.#waiting.splice(at, 1);
    else this.#abandon(call);
    call.settle(why);
  }

  /** Without an abort libvirtd would go on sending what nobody wants; before its reply there is nothing to abort. */
  #abandon(call: Call): void {
    call.abandoned = true;
    if (call.stream === null) return;
    call.stream.chunks.length = 0;
    if (call.reply !== null) this.#sendStream(call, STATUS.error);
  }

  #sendStream({ request }: Call, status: number): void {
    this.#send({ ...request, type: TYPE.stream, status, body: Buffer.alloc(0) });
  }

  #sendWaiting(): void {
    while (this.#calls.size < this.options.maxInFlight) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      this.#calls.set(call.request.serial, call);
      this.#send(call.request);
    }
  }

  #send(frame: Frame): void {
    if (this.#lost === null) this.stream.write(encodeFrame(frame));
  }

  #receive(chunk: Buffer): void {
    if (this.#lost !== null) return;
    this.#heard = true;
    try {
      for (const frame of this.#splitter.push(chunk)) this.#take(frame);
    } catch (cause) {
      this.#end('what came is not the protocol of libvirt', cause as Error);
    }
  }

  #take(frame: Frame): void {
    if (frame.program === PROGRAM.keepalive) {
      if (frame.procedure === PING) this.#send(keepalive(PONG));
      return;
    }
    switch (frame.type) {
      case TYPE.message:
        return this.options.onMessage?.(frame);
      case TYPE.reply:
      case TYPE.stream: {
        const call = this.#calls.get(frame.serial);
        // The confirmation of an abort may come after the call's end.
        if (call === undefined) return;
        const { program, number } = call.procedure;
        if (frame.program !== program || frame.procedure !== number) {
          throw new LibvirtProtocolError(
            `an answer to procedure ${frame.procedure}, where ${number} was called`,
          );
        }
        this.#answer(call, frame);
        return;
      }
      default:
        throw new LibvirtProtocolError(`a frame of type ${frame.type}`);
    }
  }

  #answer(call: Call, { type, status, body }: Frame): void {
    if (status === STATUS.error) {
      this.#done(call, readError(new XdrReader(body), call.procedure.number));
      return;
    }
    if (type === TYPE.reply) {
      if (call.reply !== null) throw new LibvirtProtocolError('a second reply to one call');
      call.reply = body;
      if (call.stream === null) this.#done(call, { reply: body, stream: Buffer.alloc(0) });
      else if (call.abandoned) this.#abandon(call);
      return;
    }
    if (call.stream === null) throw new LibvirtProtocolError('a stream nobody asked for');
    if (status === STATUS.ok) {
      if (call.reply === null) throw new LibvirtProtocolError('a stream that ends before its reply');
      this.#done(call, { reply: call.reply, stream: Buffer.concat(call.stream.chunks) });
      return;
    }
    // libvirtd sends the reply from another thread than the stream: either may come first.
    if (call.abandoned) return; // data that was under way when it was aborted
    // No data is the end of it; the stream ends when both sides have said so.
    if (body.length === 0) {
      this.#sendStream(call, STATUS.ok);
      return;
    }
    call.stream.left -= body.length;
    if (call.stream.left >= 0) call.stream.chunks.push(body);
    else {
      const what = `${this.options.name}: ${call.procedure.name}`;
      this.#giveUp(call, new LibvirtProtocolError(`${what} sent more bytes than are accepted`));
    }
  }

  #done(call: Call, outcome: Parameters<Call['settle']>[0]): void {
    this.#calls.delete(call.request.serial);
    call.settle(outcome);
    this.#sendWaiting();
  }

  #end(why: string, cause?: Error): void {
    if (this.#lost !== null) return;
    const lost = new LibvirtConnectionLost(
      `${this.options.name}: the connection is lost: ${detail(why, cause)}`,
      { cause },
    );
    this.#lost = lost;
    clearInterval(this.#pinger);
    this.stream.destroy();
    for (const call of [...this.#calls.values(), ...this.#waiting.splice(0)]) call.settle(lost);
    this.#calls.clear();
    for (const listener of this.#closed) listener(lost);
  }
}

function procedureOf({ program, number }: Procedure<never, unknown>): { program: number; procedure: number } {
  return { program, procedure: number };
}

function keepalive(procedure: number): Frame {
  const program = PROGRAM.keepalive;
  return { program, procedure, type: TYPE.message, serial: 0, status: STATUS.ok, body: Buffer.alloc(0) };
}

function detail(why: string, cause: Error | undefined): string {
  return cause === undefined ? why : `${why}: ${cause.message}`;
}
