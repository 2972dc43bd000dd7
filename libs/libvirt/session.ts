import { RpcConnection } from './connection.js';
import {
  LIBVIRT_CODES,
  LibvirtConnectionLost,
  LibvirtError,
  LibvirtTimeout,
  LibvirtUnreachable,
} from './error.js';
import { PROGRAM, type Frame } from './frame.js';
import { readLifecycle, type LifecycleEvent } from './layouts.js';
import { KEEPALIVE_FEATURE, LIFECYCLE_EVENT, LIFECYCLE_MESSAGE, procedures } from './procedures.js';
import { openTransport, type Transport } from './transports.js';
import type { LibvirtUri } from './uri.js';
import { XdrReader } from './xdr.js';

/**
 * Five blocked calls freeze a connection, so calls that wait for different things have connections of their own:
 * - `control`: questions that libvirtd answers from memory, events, and destroy, which must always get through
 * - `guest`: what a QEMU answers in milliseconds, if it is not stuck
 * - `long`: what takes seconds: restore, start, dumps, and monitor commands, which may do the same
 */
export type Lane = 'control' | 'guest' | 'long';

/** Calls under way at most, one below libvirtd's own limit. */
const MAX_IN_FLIGHT = 4;

const LANES = { control: Infinity, guest: MAX_IN_FLIGHT, long: MAX_IN_FLIGHT } as const satisfies Record<
  Lane,
  number
>;

const HANDSHAKE = { timeoutMs: 30_000 };
const GOODBYE_MS = 1000;

/** Kinds of authentication, by number. */
const AUTH = { none: 0, sasl: 1, polkit: 2 } as const;

export interface SessionOptions {
  readonly name: string;
  readonly uri: LibvirtUri;
  readonly readOnly: boolean;
  readonly pingMs?: number;
  readonly onLifecycle: (event: LifecycleEvent) => void;
}

/** The connections to one libvirtd, from one login to their common end: when one is lost, all are closed. */
export class Session {
  #open = true;
  #lost: LibvirtConnectionLost | null = null;
  #tellLost: ((error: LibvirtConnectionLost) => void) | null = null;

  private constructor(
    private readonly transport: Transport,
    private readonly lanes: Readonly<Record<Lane, RpcConnection>>,
  ) {}

  static async open(options: SessionOptions, signal: AbortSignal): Promise<Session> {
    const transport = await openTransport(options.uri.address, options.uri.remote, signal);
    const made: RpcConnection[] = [];
    const connect = async (lane: Lane) => {
      const connection = new RpcConnection(await transport.connect(signal), {
        name: options.name,
        maxInFlight: LANES[lane],
        onMessage: (frame) => deliver(frame, options.onLifecycle),
      });
      made.push(connection);
      await login(connection, lane, options, signal);
      return connection;
    };
    try {
      const control = await connect('control');
      const session = new Session(transport, {
        control,
        guest: await connect('guest'),
        long: await connect('long'),
      });
      for (const connection of made) connection.onClosed((error) => session.#lose(error));
      return session;
    } catch (error) {
      for (const connection of made) connection.close();
      await transport[Symbol.asyncDispose]();
      throw error;
    }
  }

  lane(name: Lane): RpcConnection {
    return this.lanes[name];
  }

  /** Says goodbye; libvirtd frees what it keeps for us. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    const never = new AbortController().signal;
    const goodbyes = Object.values(this.lanes).map(async (connection) => {
      // A libvirtd that does not answer any more sees the connection close.
      await connection
        .call(procedures.close, undefined, { timeoutMs: GOODBYE_MS }, never)
        .catch(() => undefined);
      connection.close();
    });
    await Promise.all(goodbyes);
    await this.transport[Symbol.asyncDispose]();
  }

  /** Tells once when a connection is lost that nobody closed; at once if it is already. */
  onLost(listener: (error: LibvirtConnectionLost) => void): void {
    if (this.#lost === null) this.#tellLost = listener;
    else listener(this.#lost);
  }

  #lose(error: LibvirtConnectionLost): void {
    if (!this.#open) return;
    this.#open = false;
    this.#lost = error;
    for (const connection of Object.values(this.lanes)) connection.close();
    void this.transport[Symbol.asyncDispose]();
    this.#tellLost?.(error);
  }
}

async function login(
  connection: RpcConnection,
  lane: Lane,
  { name, uri, readOnly, pingMs }: SessionOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    const types = await connection.call(procedures.authList, undefined, HANDSHAKE, signal);
    if (types.includes(AUTH.polkit) && !types.includes(AUTH.none)) {
      await connection.call(procedures.authPolkit, undefined, HANDSHAKE, signal);
    } else if (types.length > 0 && !types.includes(AUTH.none)) {
      throw new LibvirtUnreachable(
        `${name}: libvirtd asks for a password (SASL), which is not supported: use qemu+ssh:// or TLS with a client certificate`,
      );
    }
    await connection.call(procedures.open, { uri: uri.remote, flags: readOnly ? 1 : 0 }, HANDSHAKE, signal);
    if (await connection.call(procedures.supportsFeature, KEEPALIVE_FEATURE, HANDSHAKE, signal)) {
      connection.keepAlive(pingMs);
    }
    if (lane === 'control')
      await connection.call(procedures.registerEvent, LIFECYCLE_EVENT, HANDSHAKE, signal);
  } catch (cause) {
    if (cause instanceof LibvirtError)
      throw new LibvirtUnreachable(`${name}: ${cause.message}${hint(cause)}`, { cause });
    if (cause instanceof LibvirtConnectionLost || cause instanceof LibvirtTimeout)
      throw new LibvirtUnreachable(cause.message, { cause });
    throw cause;
  }
}

function hint({ code }: LibvirtError): string {
  const denied = [LIBVIRT_CODES.authentication, LIBVIRT_CODES.authCancelled] as readonly number[];
  return denied.includes(code) ? ': add the user to the group libvirt, and log in anew' : '';
}

function deliver(frame: Frame, tell: (event: LifecycleEvent) => void): void {
  if (frame.program === PROGRAM.remote && frame.procedure === LIFECYCLE_MESSAGE) {
    tell(readLifecycle(new XdrReader(frame.body)));
  }
}
