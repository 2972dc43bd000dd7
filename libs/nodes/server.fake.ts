import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { NodeHttp, type HttpOptions } from './http.js';
import type { NodeAddress, NodeLimits } from './node.js';

export const never = new AbortController().signal;

/** Short enough for tests that wait for them, long enough for a busy host where nobody should. */
export const LIMITS: NodeLimits = {
  connect: 5000,
  answer: 20_000,
  reportSize: 1024 * 1024,
  linkLocal: false,
};

export interface FakeServer extends AsyncDisposable {
  readonly address: NodeAddress;
  readonly port: number;
  /** `GET /path` of each request that came. */
  readonly asked: string[];
  /** Connections that were made. */
  readonly connections: number;
}

/** A server of HTTP that does what the test says. */
export async function serve(answer: RequestListener): Promise<FakeServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  return listen(server, asked);
}

/** A server that is given bare connections. */
export async function serveTcp(connected: (socket: Socket) => void): Promise<FakeServer> {
  return listen(
    createTcpServer((socket) => {
      socket.on('error', () => {}); // what the client cuts
      connected(socket);
    }),
    [],
  );
}

async function listen(server: Server, asked: string[]): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: { name: 'n1', url: `http://127.0.0.1:${port}/`, token: null },
    port,
    asked,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length })
    .end(bytes);
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A client that closes its idle connections with the test. */
export function openHttp(
  { address }: Pick<FakeServer, 'address'>,
  limits: Partial<NodeLimits> = {},
  options: HttpOptions & { readonly token?: string } = {},
): NodeHttp & Disposable {
  const { token = null, ...rest } = options;
  const http = new NodeHttp({ ...address, token }, { ...LIMITS, ...limits }, rest);
  return Object.assign(http, { [Symbol.dispose]: () => http.close() });
}
