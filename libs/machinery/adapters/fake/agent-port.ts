import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { readAnalysisRequest, type AnalysisRequest } from './analysis-request.js';
import { streamPair } from './stream-pair.js';

export interface GuestStatus {
  readonly status: string | null;
  readonly description: string | null;
}

/** What an agent asks of the guest it runs in. */
export interface Guest {
  readonly status: GuestStatus;
  /** False: one was started before. */
  analyze(request: AnalysisRequest): boolean;
  /** The analysis ends as at its time limit. */
  stop(): void;
  /** Resolves when the status is another than `not`, after `ms`, or when the guest is gone. */
  changed(not: string | null, ms: number): Promise<void>;
}

/** Of a form: a status, a time-out. */
const MAX_FORM_BYTES = 64 * 1024;
/** Seconds, as analyzer-guest/README.md has them. */
const DEFAULT_WAIT = 60;
const LONGEST_WAIT = 300;

const INFO = { message: 'Cuckoo Agent!', version: '0.10', features: ['analyze', 'pinning', 'waitstatus'] };

/**
 * The agents of all scripted guests: the HTTP interface of analyzer-guest/README.md, as far as a guest with a preloaded
 * analyzer is asked. It speaks over connections inside this process and listens on no port.
 */
export class AgentPort {
  readonly #guests = new WeakMap<object, Guest>();
  readonly #server = createServer((request, response) => {
    const guest = this.#guests.get(request.socket);
    if (guest === undefined) response.destroy();
    // A request that breaks off has nobody left to be told.
    else serve(guest, request, response).catch(() => response.destroy());
  });

  /** A connection to the guest's agent: both its ends. */
  connect(guest: Guest): { readonly client: Duplex; readonly server: Duplex } {
    const [client, server] = streamPair();
    this.#guests.set(server, guest);
    this.#server.emit('connection', server);
    return { client, server };
  }
}

async function serve(guest: Guest, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { code, body } = await reply(guest, request);
  const text = JSON.stringify(body);
  response.writeHead(code, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  });
  response.end(text);
}

interface Reply {
  readonly code: number;
  readonly body: object;
}

async function reply(guest: Guest, request: IncomingMessage): Promise<Reply> {
  switch (`${request.method ?? ''} ${request.url ?? ''}`) {
    case 'GET /':
      return done(INFO);
    case 'GET /status':
      return done({ message: 'Analysis status', ...guest.status });
    case 'POST /status':
      if ((await form(request)).get('status') === 'stop') guest.stop();
      return done({ message: 'Analysis status updated' });
    case 'POST /status/wait': {
      const fields = await form(request);
      const seconds = Math.min(LONGEST_WAIT, Number(fields.get('timeout') ?? DEFAULT_WAIT));
      await guest.changed(fields.get('not'), seconds * 1000);
      return done({ message: 'Analysis status', ...guest.status });
    }
    case 'POST /analyze': {
      const analysis = await readAnalysisRequest(request);
      if (analysis === null) return refused(400, 'No analysis.conf has been provided');
      if (!guest.analyze(analysis)) return refused(400, 'An analysis was started before');
      return done({ message: 'Analysis started', process_id: 2 });
    }
    case 'GET /pinning':
      return done({ message: 'Successfully pinned Agent', client_ip: '10.0.2.2' });
    default:
      return refused(404, 'Route not found');
  }
}

function done(body: object): Reply {
  return { code: 200, body };
}

function refused(code: number, message: string): Reply {
  return { code, body: { message, error_code: code } };
}

async function form(request: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    if (text.length > MAX_FORM_BYTES) throw new RangeError('the form is too long');
  }
  return new URLSearchParams(text);
}
