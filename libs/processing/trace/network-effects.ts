import { ProtocolError } from '#domain/errors.js';
import { decodeMessage } from '#formats/dns.js';
import type { StraceCall } from '#formats/strace.js';
import { descriptor, quotedBytes, socketAddress, type SocketAddress } from '#formats/strace-values.js';
import type { Connection, TracedProcess } from './process.js';

const MAX_CONNECTIONS = 50_000;
const MAX_QUERIES = 20_000;
const DNS_PORT = 53;

/** A name that a process asked for, read from the bytes it sent to port 53. */
export interface TracedQuery {
  readonly process: TracedProcess;
  readonly time: number;
  readonly name: string;
  readonly type: string;
}

/** Who talked to whom, told from socket calls. */
export class NetworkEffects {
  readonly connections: Connection[] = [];
  readonly queries: TracedQuery[] = [];
  /** Events beyond the limits. */
  refused = 0;

  apply(process: TracedProcess, call: StraceCall): void {
    const fd = descriptor(call.args[0]);
    switch (call.name) {
      case 'socket':
        this.#made(process, call);
        break;
      case 'connect':
        if (fd !== null) this.#connected(process, call, fd);
        break;
      case 'getsockname':
        if (fd !== null && call.result === '0') named(process, call, fd);
        break;
      case 'sendto':
      case 'send':
        if (fd !== null) this.#sent(process, call, fd, socketAddress(call.args[4]));
        break;
      case 'sendmsg':
      case 'sendmmsg':
        if (fd !== null) this.#sent(process, call, fd, socketAddress(call.args[1]));
        break;
    }
  }

  #made(process: TracedProcess, call: StraceCall): void {
    const fd = descriptor(call.result);
    if (fd === null) return;
    const socket = call.args[1]?.includes('SOCK_STREAM') === true ? 'stream' : 'other';
    process.descriptors.set(fd, { path: null, socket, connection: null });
  }

  #connected(process: TracedProcess, call: StraceCall, fd: number): void {
    const remote = socketAddress(call.args[1]);
    // Port 0: only asks the kernel which of our addresses it would use.
    if (remote === null || remote.port === 0) return;
    const open = process.descriptors.get(fd);
    const before = open?.connection ?? null;
    // A non-blocking connect is often called twice for one connection.
    if (before?.remote.ip === remote.ip && before.remote.port === remote.port) return;
    const socket = open?.socket ?? null;
    const connection = this.#connection(
      process,
      call.time,
      remote,
      socket === null ? null : socket === 'stream',
    );
    process.descriptors.set(fd, { path: null, socket, connection });
  }

  #sent(process: TracedProcess, call: StraceCall, fd: number, to: SocketAddress | null): void {
    const open = process.descriptors.get(fd);
    const remote = to ?? open?.connection?.remote;
    if (remote === undefined || remote.port === 0) return;
    const known = open?.connection?.remote;
    if (to !== null && (known?.ip !== to.ip || known.port !== to.port) && call.result !== '-1') {
      const connection = this.#connection(process, call.time, to, false);
      process.descriptors.set(fd, { path: null, socket: open?.socket ?? 'other', connection });
    }
    if (remote.port === DNS_PORT) this.#asked(process, call);
  }

  #asked(process: TracedProcess, call: StraceCall): void {
    for (const bytes of quotedBytes(call.args[1] ?? '')) {
      for (const { name, type } of questions(bytes)) {
        if (this.queries.length >= MAX_QUERIES) {
          this.refused++;
          return;
        }
        this.queries.push({ process, time: call.time, name, type });
        process.summary.add('resolves_host', name);
      }
    }
  }

  #connection(
    process: TracedProcess,
    time: number,
    remote: SocketAddress,
    stream: boolean | null,
  ): Connection {
    const connection: Connection = { process, time, remote, stream, localPort: null };
    process.summary.add(
      'connects_ip',
      `${remote.ip.includes(':') ? `[${remote.ip}]` : remote.ip}:${remote.port}`,
    );
    if (this.connections.length < MAX_CONNECTIONS) this.connections.push(connection);
    else this.refused++;
    return connection;
  }
}

function named(process: TracedProcess, call: StraceCall, fd: number): void {
  const connection = process.descriptors.get(fd)?.connection;
  const local = socketAddress(call.args[1]);
  if (connection != null && local !== null && local.port !== 0) connection.localPort = local.port;
}

/** What a DNS query asks; nothing when strace cut it or it is none. Over TCP two bytes of length come first. */
function questions(bytes: Buffer): readonly { name: string; type: string }[] {
  const overTcp = bytes.length > 2 && bytes.readUInt16BE(0) === bytes.length - 2;
  try {
    const message = decodeMessage(overTcp ? bytes.subarray(2) : bytes);
    return message.response ? [] : message.questions;
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}
