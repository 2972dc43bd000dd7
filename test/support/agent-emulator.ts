import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { dialTcp, type Dial } from '#guest/dial.js';

export interface AgentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, { readonly fileName: string; readonly content: Buffer }>>;
}

/** `empty`: closes without a byte, as a pinned agent does to strangers. `hang`: never answers. `endless`: never stops. */
export type Answer =
  { readonly code?: number; readonly json: unknown } | 'empty' | 'hang' | 'endless' | Buffer;

export interface AgentEmulator extends AsyncDisposable {
  readonly dial: Dial;
  readonly port: number;
  /** Every request, in order. */
  readonly requests: AgentRequest[];
  /** `METHOD path` of each. */
  readonly calls: string[];
  /** What GET /status says. */
  status: { status: string | null; description: string | null };
  /** Closes the port, as an agent that was killed. */
  die(): void;
}

/** Cuckoo agent 0.10 as a client meets it: HTTP/1.0, no length, no type, one request per connection. */
export async function emulateAgent(
  options: {
    readonly features?: readonly string[];
    /** Answers that differ, by `METHOD path`. */
    readonly answers?: Readonly<Record<string, (request: AgentRequest, emulator: AgentEmulator) => Answer>>;
    /** Nothing listens before. */
    readonly startAfterMs?: number;
    readonly environ?: Readonly<Record<string, string>>;
  } = {},
): Promise<AgentEmulator> {
  const features = options.features ?? ['execpy', 'pinning', 'logs', 'largefile', 'unicodepath'];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    serve(socket, (request) => {
      emulator.requests.push(request);
      const name = `${request.method} ${request.path}`;
      emulator.calls.push(name);
      const special = options.answers?.[name]?.(request, emulator);
      return special ?? standard(name, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  if (options.startAfterMs !== undefined) await restartLater(server, port, options.startAfterMs);

  const standard = (name: string, { fields }: AgentRequest): Answer => {
    switch (name) {
      case 'GET /':
        return { json: { message: 'Cuckoo Agent!', version: '0.10', features } };
      case 'GET /status':
        return { json: { message: 'Analysis status', ...emulator.status } };
      case 'GET /environ':
        return { json: { message: 'Environment variables', environ: options.environ ?? { PATH: '/bin' } } };
      case 'POST /mkdtemp':
        return {
          json: { message: 'Successfully created temporary directory', dirpath: `${fields['dirpath']}tmpq1` },
        };
      case 'GET /pinning':
        return { json: { message: 'Successfully pinned Agent', client_ip: '127.0.0.1' } };
      case 'POST /mkdir':
      case 'POST /store':
      case 'POST /extract':
      case 'POST /execpy':
      case 'POST /execute':
        return { json: { message: 'done', stdout: null, stderr: null } };
      default:
        return { code: 404, json: { message: 'Route not found', error_code: 404 } };
    }
  };
  const emulator: AgentEmulator = {
    dial: dialTcp('127.0.0.1', port),
    port,
    requests: [],
    calls: [],
    status: { status: null, description: null },
    die() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = server.listening ? once(server, 'close') : null;
      emulator.die();
      await closed;
    },
  };
  return emulator;
}

async function restartLater(server: Server, port: number, ms: number): Promise<void> {
  server.close();
  await once(server, 'close');
  setTimeout(() => server.listen(port, '127.0.0.1'), ms);
}

function serve(socket: Socket, answer: (request: AgentRequest) => Answer): void {
  let received = Buffer.alloc(0);
  let answered = false;
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const request = answered ? null : parseRequest(received);
    if (request === null) return;
    answered = true;
    reply(socket, answer(request));
  });
}

const HEAD = 'Server: Cuckoo Agent Python/2.7.18\r\nDate: Mon, 01 Jan 2024 10:00:00 GMT\r\n\r\n';

function reply(socket: Socket, answer: Answer): void {
  if (answer === 'hang') return;
  if (answer === 'empty') {
    socket.end();
  } else if (answer === 'endless') {
    socket.write(`HTTP/1.0 200 OK\r\n${HEAD}{"message": "`);
    const more = () => {
      while (!socket.destroyed && socket.write('A'.repeat(65_536)));
    };
    socket.on('drain', more);
    more();
  } else if (Buffer.isBuffer(answer)) {
    socket.end(answer);
  } else {
    const code = answer.code ?? 200;
    socket.end(`HTTP/1.0 ${code} ${code === 200 ? 'OK' : 'Error'}\r\n${HEAD}${JSON.stringify(answer.json)}`);
  }
}

function parseRequest(bytes: Buffer): AgentRequest | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [start = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const [method = '', path = ''] = start.split(' ');
  const body = bytes.subarray(end + 4);
  if (body.length < Number(headers['content-length'] ?? 0)) return null;
  return { method, path, headers, ...parseBody(headers['content-type'] ?? '', body) };
}

function parseBody(type: string, body: Buffer): Pick<AgentRequest, 'fields' | 'files'> {
  const boundary = /boundary=(\w+)/.exec(type)?.[1];
  if (boundary === undefined)
    return { fields: Object.fromEntries(new URLSearchParams(body.toString())), files: {} };
  const fields: Record<string, string> = {};
  const files: Record<string, { fileName: string; content: Buffer }> = {};
  // latin1 keeps every byte as one character.
  for (const part of body.toString('latin1').split(`--${boundary}`).slice(1, -1)) {
    const split = part.indexOf('\r\n\r\n');
    const name = /\bname="([^"]*)"/.exec(part)?.[1] ?? '';
    const fileName = /filename="([^"]*)"/.exec(part.slice(0, split))?.[1];
    const content = Buffer.from(part.slice(split + 4, -2), 'latin1');
    if (fileName === undefined) fields[name] = content.toString('utf8');
    else files[name] = { fileName: Buffer.from(fileName, 'latin1').toString('utf8'), content };
  }
  return { fields, files };
}
