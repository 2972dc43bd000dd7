import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { deadline } from '#domain/deadline.js';
import { ProtocolError, SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { ANSWERS, type AgentInfo, type Execution, type GuestStatus } from './answers.js';
import { form, multipart, type Content, type FilePart } from './body.js';
import type { Dial } from './dial.js';
import { exchange, type Call } from './exchange.js';

/** Times in milliseconds, sizes in bytes. */
export interface AgentLimits {
  /** One attempt to connect; a guest that boots drops what comes too early, and the next attempt finds it. */
  readonly connectMs: number;
  /** One call, from connecting to the end of the answer. */
  readonly callMs: number;
  /** The same for calls that carry a file or run a program, for the first SLOWEST_BYTES_PER_MS × time. */
  readonly transferMs: number;
  /** GET /status, as Cuckoo's 5 s. */
  readonly statusMs: number;
  /** An answer in JSON. */
  readonly answerBytes: number;
}

export const DEFAULT_AGENT_LIMITS: AgentLimits = {
  connectMs: 1_000,
  callMs: 10_000,
  transferMs: 60_000,
  statusMs: 5_000,
  answerBytes: 4 * 1024 * 1024,
};

/** A guest that takes its file more slowly than this is given up: 1 MB/s. */
const SLOWEST_BYTES_PER_MS = 1_000;

/** Pauses between attempts to reach an agent: short at first, a restored one answers within them. */
const FIRST_PAUSE_MS = 10;
const LAST_PAUSE_MS = 100;

export interface Analysis {
  /** Text of analysis.conf. */
  readonly config: string;
  /** Set before anything else. */
  readonly clock: Date;
  readonly sample: { readonly name: string; readonly content: Content } | null;
}

/**
 * The agent in one guest, over its HTTP interface (spec protocols.md §2, analyzer-guest/README.md).
 *
 * Calls reject with AGENT_UNREACHABLE when the agent cannot be asked or does not answer in time, AGENT_REFUSED when it
 * answers no, PROTOCOL_VIOLATION when the answer makes no sense, and the signal's reason when that aborts. From the
 * moment the sample runs, any answer may be the sample's.
 */
export class AgentClient {
  readonly #limits: AgentLimits;
  /** Made by `reach`, for the next call. */
  #reached: Duplex | null = null;

  constructor(
    private readonly dial: Dial,
    limits: Partial<AgentLimits> = {},
  ) {
    this.#limits = { ...DEFAULT_AGENT_LIMITS, ...limits };
  }

  /**
   * Waits until the agent takes a connection, and keeps that for the next call.
   *
   * @throws AGENT_UNREACHABLE with the last cause, when `signal` times out
   */
  async reach(signal: AbortSignal): Promise<void> {
    this.#reached?.destroy();
    this.#reached = await this.#until(signal, async () => {
      const stream = await this.#connect(signal);
      stream.on('error', () => undefined); // until the call that takes it listens
      return stream;
    });
  }

  /** Waits until the agent answers. @throws AGENT_UNREACHABLE with the last cause, when `signal` times out */
  waitReady(signal: AbortSignal): Promise<AgentInfo> {
    return this.#until(signal, () => this.info(signal));
  }

  info(signal: AbortSignal): Promise<AgentInfo> {
    return this.#get('/', ANSWERS.info, signal);
  }

  status(signal: AbortSignal): Promise<GuestStatus> {
    return this.#ask({ method: 'GET', path: '/status' }, ANSWERS.status, this.#limits.statusMs, signal);
  }

  /** Feature `waitstatus`: answers when the status is another than `not`, or after `seconds`. */
  waitStatus(seconds: number, not: string | null, signal: AbortSignal): Promise<GuestStatus> {
    const body = form({ timeout: seconds.toFixed(3), ...(not === null ? {} : { not }) });
    const ms = seconds * 1000 + this.#limits.statusMs;
    return this.#ask({ method: 'POST', path: '/status/wait', body }, ANSWERS.status, ms, signal);
  }

  /** Our analyzer ends as at its time-out; the status says when it has. */
  stop(signal: AbortSignal): Promise<void> {
    return this.#post('/status', { status: 'stop' }, ANSWERS.done, signal);
  }

  /** Feature `analyze`: everything in one call. */
  async analyze({ config, clock, sample }: Analysis, signal: AbortSignal): Promise<void> {
    const fields = { config, clock: (clock.getTime() / 1000).toFixed(3) };
    const files = sample === null ? [] : [{ field: 'file', fileName: sample.name, content: sample.content }];
    await this.#upload('/analyze', fields, files, signal);
  }

  /** From now on the agent answers this host only. */
  pin(signal: AbortSignal): Promise<void> {
    return this.#get('/pinning', ANSWERS.done, signal);
  }

  /** Names keep the guest's case: look them up in any. */
  environ(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    return this.#get('/environ', ANSWERS.environ, signal);
  }

  system(signal: AbortSignal): Promise<string> {
    return this.#get('/system', ANSWERS.system, signal);
  }

  /** Path of agent.py. */
  path(signal: AbortSignal): Promise<string> {
    return this.#get('/path', ANSWERS.filepath, signal);
  }

  /** What the agent itself printed. */
  logs(signal: AbortSignal): Promise<{ stdout: string; stderr: string }> {
    return this.#get('/logs', ANSWERS.logs, signal);
  }

  mkdir(dirpath: string, signal: AbortSignal): Promise<void> {
    return this.#post('/mkdir', { dirpath }, ANSWERS.done, signal);
  }

  mktemp(dirpath: string, signal: AbortSignal): Promise<string> {
    return this.#post('/mktemp', { dirpath }, ANSWERS.filepath, signal);
  }

  mkdtemp(dirpath: string, signal: AbortSignal): Promise<string> {
    return this.#post('/mkdtemp', { dirpath }, ANSWERS.dirpath, signal);
  }

  /** @param fileName as the agent logs it; where the file goes is `filepath` */
  store(filepath: string, content: Content, fileName: string, signal: AbortSignal): Promise<void> {
    return this.#upload('/store', { filepath }, [{ field: 'file', fileName, content }], signal);
  }

  extract(dirpath: string, zip: Content, signal: AbortSignal): Promise<void> {
    const part = { field: 'zipfile', fileName: 'zipfile', content: zip };
    return this.#upload('/extract', { dirpath }, [part], signal);
  }

  /** The bytes of a file in the guest. @param maxBytes more than this is refused */
  async retrieve(filepath: string, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    const call = { method: 'POST', path: '/retrieve', body: form({ filepath }) } as const;
    const ms = this.#limits.transferMs + maxBytes / SLOWEST_BYTES_PER_MS;
    return this.#exchange(call, { ms, maxBytes }, signal);
  }

  remove(path: string, signal: AbortSignal): Promise<void> {
    return this.#post('/remove', { path }, ANSWERS.done, signal);
  }

  /** Starts a command and does not wait for it. */
  execute(command: string, cwd: string, signal: AbortSignal): Promise<Execution> {
    return this.#post('/execute', { command, cwd, async: 'yes' }, ANSWERS.execution, signal);
  }

  /** Starts a script with the agent's own Python and does not wait for it. */
  execpy(filepath: string, cwd: string, signal: AbortSignal): Promise<Execution> {
    return this.#post('/execpy', { filepath, async: 'yes', cwd }, ANSWERS.execution, signal);
  }

  /** Ends the agent. */
  kill(signal: AbortSignal): Promise<void> {
    return this.#get('/kill', ANSWERS.done, signal);
  }

  #get<T>(path: string, answer: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#ask({ method: 'GET', path }, answer, this.#limits.callMs, signal);
  }

  #post<T>(
    path: string,
    fields: Readonly<Record<string, string>>,
    answer: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#ask({ method: 'POST', path, body: form(fields) }, answer, this.#limits.callMs, signal);
  }

  #upload(
    path: string,
    fields: Readonly<Record<string, string>>,
    files: readonly FilePart[],
    signal: AbortSignal,
  ): Promise<void> {
    const body = multipart(fields, files);
    const ms = this.#limits.transferMs + body.size / SLOWEST_BYTES_PER_MS;
    return this.#ask({ method: 'POST', path, body }, ANSWERS.done, ms, signal);
  }

  async #ask<T>(call: Call, answer: z.ZodType<T>, ms: number, signal: AbortSignal): Promise<T> {
    const body = await this.#exchange(call, { ms, maxBytes: this.#limits.answerBytes }, signal);
    const parsed = answer.safeParse(json(body));
    if (parsed.success) return parsed.data;
    const shape = `the agent's answer to ${call.method} ${call.path} is not what was asked for`;
    throw new ProtocolError(`${shape}: ${quoted(body)}`, 0, { cause: parsed.error });
  }

  /** The body of a 200. */
  async #exchange(
    call: Call,
    limits: { readonly ms: number; readonly maxBytes: number },
    signal: AbortSignal,
  ): Promise<Buffer> {
    signal.throwIfAborted();
    using within = deadline(limits.ms, signal);
    let reply;
    try {
      const stream = await this.#connect(within.signal);
      reply = await exchange(stream, call, limits.maxBytes, within.signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof SandboxError) throw cause;
      const message = `the agent did not answer ${call.method} ${call.path}`;
      throw new SandboxError('AGENT_UNREACHABLE', message, { cause });
    }
    if (reply.status === 200) return reply.body;
    const told = ANSWERS.refusal.safeParse(json(reply.body));
    const why = quoted(told.success ? told.data.message : reply.body);
    throw new SandboxError(
      'AGENT_REFUSED',
      `the agent answered ${reply.status} to ${call.method} ${call.path}: ${why}`,
    );
  }

  async #connect(signal: AbortSignal): Promise<Duplex> {
    const reached = this.#reached;
    this.#reached = null;
    if (reached !== null && !reached.destroyed && !reached.readableEnded) return reached;
    using within = deadline(this.#limits.connectMs, signal);
    return await this.dial(within.signal);
  }

  /** Tries until it works, or fails with something that trying again does not mend. */
  async #until<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    let cause: unknown;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LAST_PAUSE_MS)) {
      if (signal.aborted) throw gaveUp(signal.reason, cause);
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof SandboxError && error.code !== 'AGENT_UNREACHABLE') throw error;
        if (error !== signal.reason) cause = error;
      }
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** A time-out is the agent's fault and told as that; any other reason (cancel, machine lost) says more itself. */
function gaveUp(reason: unknown, cause: unknown): unknown {
  if (!(reason instanceof DOMException) || reason.name !== 'TimeoutError') return reason;
  return new SandboxError('AGENT_UNREACHABLE', 'the agent in the guest did not answer in time', { cause });
}

/** undefined when it is none. */
function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
