import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FakenetRecord } from '#domain/artifacts.js';
import { contentFor } from './content.js';
import { type Conversation, now, Transcript } from './conversation.js';

const MAX_HEADER_BYTES = 32 * 1024;
const MAX_HEADERS = 200;
/** Of a request's body that are kept; the rest is read and counted out. */
const MAX_BODY_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 30_000;

export interface HttpHooks {
  record(record: FakenetRecord): void;
  /** Milliseconds since 1970, for the header Date. */
  time(): number;
  /** A client that spoke something like HTTP which the parser refused. */
  refused(stream: Duplex): void;
  /** A proxy's CONNECT: the client now talks to `authority` through the stream. */
  tunnel(stream: Duplex, authority: string): void;
}

/** A web server without a port: connections are handed to it. Every request is answered 200 and recorded. */
export class FakeWeb {
  private readonly server: Server;
  private readonly conversations = new WeakMap<Duplex, Conversation>();

  constructor(private readonly hooks: HttpHooks) {
    this.server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        keepAliveTimeout: KEEP_ALIVE_MS,
        // Bots write their requests by hand.
        insecureHTTPParser: true,
        requireHostHeader: false,
      },
      (request, response) => this.request(request, response),
    );
    this.server.maxHeadersCount = MAX_HEADERS;
    // `printf … | nc` closes its half at once and still wants the answer. Node has the switch, its types do not.
    Object.assign(this.server, { httpAllowHalfOpen: true });
    this.server.on('connect', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      const conversation = this.conversations.get(stream);
      if (conversation !== undefined) this.record(request, conversation, '');
      if (head.length > 0) stream.unshift(head);
      stream.write('HTTP/1.1 200 Connection established\r\n\r\n');
      hooks.tunnel(stream, request.url ?? '');
    });
    this.server.on('clientError', (_error, stream) => {
      hooks.refused(stream);
      if (stream.writable) stream.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else stream.destroy();
    });
  }

  serve(stream: Duplex, conversation: Conversation): void {
    this.conversations.set(stream, conversation);
    this.server.emit('connection', stream);
  }

  private request(request: IncomingMessage, response: ServerResponse): void {
    const conversation = this.conversations.get(request.socket);
    const body = new Transcript(MAX_BODY_BYTES);
    request.on('data', (chunk: Buffer) => body.add(chunk));
    // `close` comes after a whole request, and after one that the guest broke off.
    request.once('close', () => {
      if (conversation !== undefined) this.record(request, conversation, body.toBase64());
    });
    request.once('end', () => {
      const { type, body: content } = contentFor(
        pathOf(request.url ?? '/'),
        request.headers['user-agent'] ?? '',
      );
      response.writeHead(200, {
        Server: 'nginx/1.24.0',
        Date: new Date(this.hooks.time()).toUTCString(),
        'Content-Type': type,
        'Content-Length': content.length,
        'Last-Modified': 'Wed, 10 Jan 2024 08:12:45 GMT',
      });
      response.end(content);
    });
  }

  private record(request: IncomingMessage, conversation: Conversation, body: string): void {
    const { src, dst, tls } = conversation;
    const headers: (readonly [string, string])[] = [];
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
      headers.push([request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '']);
    }
    this.hooks.record({
      kind: 'http',
      time: now(),
      tls,
      src,
      dst,
      method: request.method ?? '',
      host: request.headers.host ?? conversation.host ?? dst.ip,
      uri: request.url ?? '',
      version: request.httpVersion,
      headers,
      body,
      status: 200,
    });
  }
}

/** A proxy request names the whole URL. */
function pathOf(url: string): string {
  const path = url.replace(/^[a-z]+:\/\/[^/]*/i, '');
  return path.split(/[?#]/, 1)[0] ?? '';
}
