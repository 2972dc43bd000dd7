import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { z } from 'zod';
import { SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { guarded, mustNotBeLinkLocal } from './address.js';
import { isMissing, messageOf, statusError, type Answer } from './answer.js';
import { form, multipart, type Body, type Fields, type Upload } from './body.js';
import { NodeError } from './error.js';
import { Exchange } from './exchange.js';
import type { FetchedReport, NodeAddress, NodeLimits } from './node.js';
import { readJson, readRefusal } from './read-answer.js';
import { saveReport } from './report-file.js';
import type { ReportKind } from './report-kind.js';
import { hiding, type Hide } from './secret.js';
import { watch, type Watch } from './watch.js';

/** Bytes of an answer in JSON, unless the call has another limit: a status, or one task. */
const ANSWER_BYTES = 256 * 1024;
/** Milliseconds of a whole upload or download, however steadily it drips. */
const TRANSFER_MS = 60 * 60 * 1000;
/** Milliseconds a connection is kept without a call. */
const KEPT_MS = 30_000;
const FOREVER_MS = 2 ** 31 - 1;

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the base URL, without a slash in front. */
  readonly path: string;
  readonly form?: Fields;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses beside 2xx that do not throw: the caller looks at them. */
  readonly accept?: readonly number[];
  /** Bytes of the answer. */
  readonly limit?: number;
}

export interface DownloadOptions {
  /** What it must be. */
  readonly kind: ReportKind;
  /** Does an answer that is no report say that the node has no such report? */
  readonly missing?: (answer: Answer) => boolean;
  /** Is an answer of status 200 the report? It is, unless given: CAPE refuses with 200 too. */
  readonly isReport?: (headers: IncomingHttpHeaders) => boolean;
}

export interface HttpOptions {
  /** In front of the token, in the header Authorization; Bearer unless given. */
  readonly scheme?: string;
  readonly lookup?: LookupFunction;
}

interface Times {
  readonly idle: number;
  readonly total: number;
}

/** One request as it is sent. */
interface Sending {
  readonly ask: Ask;
  readonly method: string;
  readonly body: Body | null;
  /** The node and the call, to begin a sentence. */
  readonly what: string;
}

/**
 * HTTP with one node, as every dialect needs it: bounded in time and bytes, no redirects, connections kept between calls.
 *
 * Methods reject with NodeError (see NodeClient) or, when `signal` aborts, with its reason. Statuses that are neither 2xx
 * nor accepted are errors.
 */
export class NodeHttp {
  /** For words of this node. */
  readonly hide: Hide;
  readonly #agent: HttpAgent;

  constructor(
    readonly address: NodeAddress,
    readonly limits: NodeLimits,
    private readonly options: HttpOptions = {},
  ) {
    this.hide = hiding(address.token);
    const settings = { keepAlive: true, timeout: KEPT_MS };
    this.#agent = address.url.startsWith('https:') ? new HttpsAgent(settings) : new HttpAgent(settings);
  }

  /** GET, or with a form POST, unless `method` says otherwise. */
  async json(ask: Ask, signal: AbortSignal): Promise<Answer> {
    const { answer } = this.limits;
    const sending = this.#sending(ask, ask.form === undefined ? null : form(ask.form));
    const times = { idle: answer, total: answer };
    return this.#run(sending, times, signal, (exchange, response) =>
      this.#answer(sending, exchange, response),
    );
  }

  /** POST of a form with a file that is streamed from disk. @throws also SAMPLE_MISSING */
  async upload(ask: Ask, upload: Upload, signal: AbortSignal): Promise<Answer> {
    const sending = this.#sending(ask, await multipart(upload));
    return this.#run(sending, this.#transfer, signal, async (exchange, response) => {
      const answer = await this.#answer(sending, exchange, response);
      if (exchange.sent) return answer;
      const early = `${sending.what} was answered by ${answer.status} before the whole file was sent`;
      throw new NodeError('NODE_ODD', early, { unclear: true });
    });
  }

  /** GET into a file. @throws also REPORT_MISSING, REPORT_INVALID, NO_DISK_SPACE */
  async download(
    ask: Ask,
    to: string,
    options: DownloadOptions,
    signal: AbortSignal,
  ): Promise<FetchedReport> {
    const { kind, missing = isMissing, isReport = () => true } = options;
    const { what } = this.#sending(ask, null);
    return this.#run(this.#sending(ask, null), this.#transfer, signal, async (exchange, response) => {
      if (response.statusCode === 200 && isReport(response.headers)) {
        const announced = { kind, headers: response.headers, limit: this.limits.reportSize };
        return saveReport(what, exchange.chunks(), to, announced);
      }
      const answer = await readRefusal(exchange, response, this.hide);
      if (!missing(answer)) throw statusError(what, answer);
      throw new NodeError(
        'REPORT_MISSING',
        `${what}: the node has no such report, it says ${messageOf(answer)}`,
      );
    });
  }

  /**
   * The bytes of a stream that has no end, of the media type text/event-stream.
   *
   * @param idle milliseconds of silence after which it is given up
   */
  async *stream(ask: Ask, idle: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    const sending = this.#sending(ask, null);
    using within = watch({ idle, total: FOREVER_MS }, signal);
    let exchange: Exchange | null = null;
    try {
      using opened = (exchange = this.#open(sending, within, false));
      const response = await opened.response();
      if (response.statusCode !== 200)
        throw statusError(sending.what, await readRefusal(opened, response, this.hide));
      if (!/^text\/event-stream\b/i.test(response.headers['content-type'] ?? ''))
        throw new NodeError('NODE_ODD', `${sending.what} was answered with no stream of events`);
      yield* opened.chunks();
    } catch (error) {
      throw this.#failure(error, sending, exchange, { within, signal });
    }
  }

  /** The error of an accepted answer that turns out to be none that was expected. */
  refusal(ask: Ask, answer: Answer): NodeError {
    return statusError(this.#sending(ask, null).what, answer);
  }

  /**
   * The part of an answer that `schema` describes.
   *
   * @throws NODE_ODD saying where it differs
   */
  read<T>(schema: z.ZodType<T>, ask: Ask, { body, text, hide }: Answer): T {
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    const { path = [], message = '' } = parsed.error.issues[0] ?? {};
    const where = path.length === 0 ? '' : `${path.join('.')}: `;
    const odd = `${this.#sending(ask, null).what} was answered with something else than was asked for: ${where}${message}, in ${quoted(hide(text))}`;
    throw new NodeError('NODE_ODD', odd, { unclear: true });
  }

  /** Closes the idle connections, and the others when their call is done. */
  close(): void {
    this.#agent.maxFreeSockets = 0;
    for (const sockets of Object.values(this.#agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  get #transfer(): Times {
    return { idle: this.limits.answer, total: TRANSFER_MS };
  }

  #sending(ask: Ask, body: Body | null): Sending {
    const method = ask.method ?? (body === null ? 'GET' : 'POST');
    return { ask, method, body, what: `node ${this.address.name}: ${method} ${ask.path}` };
  }

  async #run<T>(
    sending: Sending,
    times: Times,
    signal: AbortSignal,
    read: (exchange: Exchange, response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    // What should not be done twice does not take a connection that the node may have closed in this very moment.
    for (let kept = sending.method === 'GET'; ; kept = false) {
      signal.throwIfAborted();
      using within = watch(times, signal);
      let exchange: Exchange | null = null;
      try {
        using opened = (exchange = this.#open(sending, within, kept));
        return await read(opened, await opened.response());
      } catch (error) {
        if (kept && exchange?.reused && !exchange.answered && !within.signal.aborted) continue;
        throw this.#failure(error, sending, exchange, { within, signal });
      }
    }
  }

  #open({ ask, method, body }: Sending, within: Watch, kept: boolean): Exchange {
    const url = new URL(ask.path, this.address.url);
    if (!this.limits.linkLocal) mustNotBeLinkLocal(url);
    const { lookup } = this.options;
    const call = {
      method,
      url,
      headers: { accept: 'application/json, */*', ...this.#authorization(), ...ask.headers },
      body,
      agent: kept && this.#agent,
      lookup: this.limits.linkLocal ? lookup : guarded(lookup),
      connectMs: this.limits.connect,
    };
    return new Exchange(call, within);
  }

  #authorization(): Readonly<Record<string, string>> {
    const { token, name } = this.address;
    if (token === null) return {};
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new NodeError('NODE_DENIED', `node ${name}: its token holds characters that no token has`);
    return { authorization: `${this.options.scheme ?? 'Bearer'} ${token}` };
  }

  /** @throws when it is neither a success nor accepted */
  async #answer({ ask, what }: Sending, exchange: Exchange, response: IncomingMessage): Promise<Answer> {
    const { statusCode: status = 0 } = response;
    const { hide } = this;
    const limit = ask.limit ?? ANSWER_BYTES;
    if (status >= 200 && status < 300) return readJson(exchange, response, { what, limit, hide });
    const answer = await readRefusal(exchange, response, hide);
    if (ask.accept?.includes(status)) return answer;
    throw statusError(what, answer);
  }

  #failure(
    error: unknown,
    { what }: Sending,
    exchange: Exchange | null,
    { within, signal }: { readonly within: Watch; readonly signal: AbortSignal },
  ): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof SandboxError) return error;
    const { begun = false, answered = false } = exchange ?? {};
    const late = within.signal.aborted;
    // Node calls the end of an answer by our time-out "aborted", whose reason has the seconds.
    const options = { unclear: begun, cause: late ? (within.signal.reason as unknown) : error };
    const { code } = error as { readonly code?: unknown };
    if (typeof code === 'string' && code.startsWith('HPE_'))
      return new NodeError('NODE_ODD', `${what} was answered, but not in HTTP`, options);
    const broken = late ? 'is answered too slowly' : 'was answered in part, then the connection broke off';
    const message = begun
      ? `${what} ${answered ? broken : 'was not answered'}`
      : `${what}: there is no connection to the node`;
    return new NodeError('NODE_UNREACHABLE', message, options);
  }
}
