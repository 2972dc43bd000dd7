import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { setImmediate as nextRound } from 'node:timers/promises';
import type { Body } from './body.js';
import type { Watch } from './watch.js';

export interface Call {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body | null;
  /** Keeps connections for the next call; false: a fresh one that is closed afterwards. */
  readonly agent: Agent | false;
  readonly lookup: LookupFunction | undefined;
  /** Milliseconds until the connection stands. */
  readonly connectMs: number;
}

/** One HTTP request and its answer. Disposing ends the connection, unless all was read and it is kept. */
export class Exchange implements Disposable {
  /** The connection stood: from here on the node may have seen the request, or a part of it. */
  begun = false;
  /** The head of the answer is here. */
  answered = false;
  /** All of the body was handed over. */
  sent = false;
  readonly #request: ClientRequest;
  readonly #response: Promise<IncomingMessage>;
  readonly #connecting: NodeJS.Timeout;
  readonly #give: () => void;
  #whole = false;
  #early = false;

  constructor(
    call: Call,
    private readonly watch: Watch,
  ) {
    const { method, url, headers, body, agent, lookup, connectMs } = call;
    const secure = url.protocol === 'https:';
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method,
      headers: {
        ...headers,
        'accept-encoding': 'identity',
        ...(body !== null && { 'content-type': body.type, 'content-length': String(body.size) }),
      },
      agent,
      ...(lookup !== undefined && { lookup }),
    });
    this.#request = request;
    this.#response = answered(request);
    this.#response.then(
      () => (this.answered = true),
      () => {}, // it is awaited later, or nobody is interested any more
    );
    const late = new DOMException(`no connection in ${connectMs / 1000} s`, 'TimeoutError');
    this.#connecting = setTimeout(() => request.destroy(late), connectMs);
    request.once('socket', (socket) => {
      const stands = () => {
        clearTimeout(this.#connecting);
        this.begun = true;
        this.watch.progress();
      };
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', stands);
      else if (!socket.destroyed) stands();
    });
    this.#give = () => request.destroy(watch.signal.reason as Error);
    watch.signal.addEventListener('abort', this.#give, { once: true });
    if (watch.signal.aborted) this.#give();
    if (body === null) this.#end();
    else void this.#send(body).catch((error: unknown) => request.destroy(error as Error));
  }

  /** It went over a kept connection, which the node may have closed before it saw any of this. */
  get reused(): boolean {
    return this.#request.reusedSocket;
  }

  /** An answer may come before the whole body is sent: then no more of it is. */
  async response(): Promise<IncomingMessage> {
    return await this.#response;
  }

  /** The answer's body. Rejects when it ends before it should. */
  async *chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of (await this.#response) as AsyncIterable<Buffer>) {
      this.watch.progress();
      yield chunk;
    }
    this.#whole = true;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#connecting);
    this.watch.signal.removeEventListener('abort', this.#give);
    if (!this.#whole || !this.sent) this.#request.destroy();
  }

  #end(last?: Buffer): void {
    this.sent = true;
    this.#request.end(last);
  }

  async #send(body: Body): Promise<void> {
    const stop = () => (this.#early = true);
    this.#response.then(stop, stop);
    let last: Buffer | null = null;
    for await (const chunk of body.chunks()) {
      if (last !== null) {
        // An answer that is there is read before more is written: to a node that has hung up, writing fails, and its
        // answer would be lost with that.
        await nextRound();
        if (this.#early) return;
        if (!this.#request.write(last)) await drained(this.#request);
        this.watch.progress();
      }
      last = chunk;
    }
    if (!this.#early) this.#end(last ?? undefined);
  }
}

function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', (response) => {
      response.on('error', () => {}); // told to who reads it
      resolve(response);
    });
    request.on('error', reject);
    // Without either: Node closes the connection to a server that changes the protocol (101).
    request.on('close', () => reject(new Error('the connection ended without an answer')));
  });
}

/** Resolves when more may be written, or nothing ever will be. */
function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      request.off('drain', done).off('close', done);
      resolve();
    };
    request.on('drain', done).on('close', done);
  });
}
