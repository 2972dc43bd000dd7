import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly received: readonly Received[];
  /** Resolves once so many messages have come. */
  count(n: number): Promise<readonly Received[]>;
}

/** A real HTTP server on 127.0.0.1 that answers each message as it is told: with a status, or by hand. */
export async function startReceiver(
  answer: (n: number, response: ServerResponse) => number | null = () => 200,
  port = 0,
): Promise<Receiver> {
  const received: Received[] = [];
  let look: () => void = () => {};
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      });
      const status = answer(received.length, response);
      if (status !== null) response.writeHead(status).end('thank you');
      look();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: real } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${real}`,
    port: real,
    received,
    count: (n) =>
      new Promise((resolve) => {
        look = () => {
          if (received.length >= n) resolve(received);
        };
        look();
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
