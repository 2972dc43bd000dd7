import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, isIP, type Socket } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { openSsh, type SshConnection } from '#ssh/ssh.js';
import { SshError } from '#ssh/ssh-error.js';
import { LibvirtUnreachable } from './error.js';
import type { Address } from './uri.js';

/** A way to a libvirtd, for any number of connections. Closing it closes what it carries. */
export interface Transport extends AsyncDisposable {
  /** @throws LibvirtUnreachable */
  connect(signal: AbortSignal): Promise<Duplex>;
}

export async function openTransport(
  address: Address,
  remote: string,
  signal: AbortSignal,
): Promise<Transport> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  switch (address.transport) {
    case 'unix':
      return { connect: (by) => firstOf(address.sockets, (path) => unix(path, by)), ...nothing };
    case 'tcp':
      return { connect: (by) => tcp(address, by), ...nothing };
    case 'tls':
      return { connect: (by) => tls(address, by), ...nothing };
    case 'ssh':
      return await overSsh(address, remote, signal);
  }
}

/** The first that works; the error of the one that got furthest, or else the last. */
async function firstOf(paths: readonly string[], open: (path: string) => Promise<Duplex>): Promise<Duplex> {
  let failure: unknown = new LibvirtUnreachable('no socket to try');
  for (const path of paths) {
    try {
      return await open(path);
    } catch (error) {
      failure = error;
      if (!isAbsent(error)) break;
    }
  }
  throw failure;
}

/** Nothing is there, so that another may be tried; what is there and refuses is the answer. */
function isAbsent(error: unknown): boolean {
  if (error instanceof SshError) return error.kind === 'refused';
  const code = ((error as { cause?: { code?: unknown } }).cause ?? {}).code;
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

async function unix(path: string, signal: AbortSignal): Promise<Duplex> {
  return await connected(connect(path), path, signal);
}

async function tcp({ host, port }: { host: string; port: number }, signal: AbortSignal): Promise<Duplex> {
  const socket = await connected(connect(port, host), `${host}:${port}`, signal);
  return socket.setNoDelay();
}

async function connected(socket: Socket, name: string, signal: AbortSignal): Promise<Socket> {
  try {
    await once(socket, 'connect', { signal });
    return socket;
  } catch (cause) {
    socket.destroy();
    signal.throwIfAborted();
    throw unreachable(name, cause);
  }
}

function unreachable(name: string, cause: unknown): LibvirtUnreachable {
  const { code, message } = cause as NodeJS.ErrnoException;
  const hints: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such socket: is libvirtd installed and running?',
    ECONNREFUSED: 'nobody listens there: is libvirtd running?',
    EACCES: 'no permission: add the user to the group libvirt, and log in anew',
  };
  return new LibvirtUnreachable(`${name}: ${hints[code ?? ''] ?? `no connection: ${message}`}`, { cause });
}

/** libvirtd says so once it has accepted our certificate. */
const WELCOME = 1;

async function tls(
  { host, port, pki }: Extract<Address, { transport: 'tls' }>,
  signal: AbortSignal,
): Promise<Duplex> {
  const name = `${host}:${port}`;
  const socket = connectTls({
    ...(await certificates(pki)),
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  try {
    await once(socket, 'secureConnect', { signal });
    // A refusal of our certificate comes after the handshake, as an alert or a plain end.
    if ((await firstByte(socket, signal)) === WELCOME) return socket;
  } catch (cause) {
    socket.destroy();
    signal.throwIfAborted();
    throw unreachable(name, cause);
  }
  socket.destroy();
  throw new LibvirtUnreachable(
    `${name}: libvirtd refused our client certificate: is it signed by the CA that the server trusts, and in its tls_allowed_dn_list?`,
  );
}

/** The first byte that comes, undefined when the other side hangs up instead. */
async function firstByte(socket: Duplex, signal: AbortSignal): Promise<number | undefined> {
  const listening = new AbortController();
  try {
    return await new Promise((resolve, reject) => {
      const on = (event: string, listener: (error: Error) => void) => {
        socket.on(event, listener);
        listening.signal.addEventListener('abort', () => socket.off(event, listener));
      };
      const look = () => {
        const byte = socket.read(1) as Buffer | null;
        if (byte !== null) resolve(byte[0]);
      };
      on('readable', look);
      on('end', () => resolve(undefined));
      on('close', () => resolve(undefined));
      on('error', reject);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: listening.signal });
      look();
    });
  } finally {
    listening.abort();
  }
}

/** Where libvirt's own client looks: all in one folder, the user's own, or the host's. */
async function certificates(pki: string | null): Promise<{ ca: Buffer; cert: Buffer; key: Buffer }> {
  const own = join(userInfo().homedir, '.pki/libvirt');
  const flat = (folder: string) =>
    ['cacert.pem', 'clientcert.pem', 'clientkey.pem'].map((file) => join(folder, file));
  const host = [
    '/etc/pki/CA/cacert.pem',
    '/etc/pki/libvirt/clientcert.pem',
    '/etc/pki/libvirt/private/clientkey.pem',
  ];
  const places = pki === null ? [flat(own), host] : [flat(pki)];
  let missing: unknown;
  for (const files of places) {
    try {
      const [ca, cert, key] = await Promise.all(files.map((file) => readFile(file)));
      if (ca !== undefined && cert !== undefined && key !== undefined) return { ca, cert, key };
    } catch (error) {
      missing = error;
    }
  }
  throw new LibvirtUnreachable(
    `no TLS certificates: ${(missing as Error).message}; the folder of ?pkipath= holds cacert.pem, clientcert.pem and clientkey.pem`,
    { cause: missing },
  );
}

/** Runs what libvirt's own client runs where sshd does not forward to unix sockets. */
const HELPER = [
  'if [ -n "$1" ] && command -v virt-ssh-helper >/dev/null 2>&1; then exec virt-ssh-helper "$1"; fi',
  'shift',
  'for socket; do [ -S "$socket" ] && exec nc -U "$socket"; done',
  'echo "no libvirtd: none of its sockets is there ($*)" >&2; exit 1',
].join('\n');

async function overSsh(
  { target, sockets, helper }: Extract<Address, { transport: 'ssh' }>,
  remote: string,
  signal: AbortSignal,
): Promise<Transport> {
  const ssh: SshConnection = await openSsh(target, signal).catch((cause: unknown) => {
    throw cause instanceof SshError ? new LibvirtUnreachable(cause.message, { cause }) : cause;
  });
  return {
    connect: async (by) => {
      try {
        return await firstOf(sockets, (path) => ssh.openUnix(path, by));
      } catch (error) {
        if (!isAbsent(error)) throw error;
        return await ssh.execDuplex(['sh', '-c', HELPER, 'sh', helper ? remote : '', ...sockets], by);
      }
    },
    [Symbol.asyncDispose]: () => ssh[Symbol.asyncDispose](),
  };
}
