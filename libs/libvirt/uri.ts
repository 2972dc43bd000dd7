import { userInfo } from 'node:os';
import type { SshTarget } from '#ssh/target.js';
import { LibvirtUriError } from './error.js';

/** How libvirtd is reached. */
export type Address =
  | { readonly transport: 'unix'; readonly sockets: readonly string[] }
  | { readonly transport: 'tcp'; readonly host: string; readonly port: number }
  | { readonly transport: 'tls'; readonly host: string; readonly port: number; readonly pki: string | null }
  | {
      readonly transport: 'ssh';
      readonly target: SshTarget;
      readonly sockets: readonly string[];
      readonly helper: boolean;
    };

export interface LibvirtUri {
  /** What the far libvirtd is asked to open, e.g. `qemu:///system`. */
  readonly remote: string;
  readonly address: Address;
}

export interface UriOptions {
  /** Where the session daemon's folder is, e.g. /run/user/1000 ($XDG_RUNTIME_DIR). */
  readonly runtimeDir?: string;
  /** Unix socket of an ssh-agent ($SSH_AUTH_SOCK). */
  readonly agent?: string;
}

const DRIVERS = ['qemu', 'test'];
const TRANSPORTS = ['unix', 'ssh', 'tls', 'tcp'];
const PORTS = { ssh: 22, tcp: 16509, tls: 16514 } as const;

/** What each transport takes after the `?`. `name` is what the far side is asked to open, when it is another. */
const PARAMETERS: Readonly<Record<Address['transport'], readonly string[]>> = {
  unix: ['socket', 'name'],
  tcp: ['name'],
  tls: ['pkipath', 'name'],
  ssh: ['socket', 'keyfile', 'known_hosts', 'name', 'no_tty'],
};

/**
 * Reads `driver[+transport]://[user@][host][:port]/path[?parameters]`: drivers qemu and test, transports unix (no
 * host), tls (the default with a host), tcp and ssh.
 *
 * @throws LibvirtUriError naming what is wrong and what is accepted
 * @see https://libvirt.org/uri.html#remote-uris
 */
export function parseLibvirtUri(text: string, options: UriOptions = {}): LibvirtUri {
  const shown = JSON.stringify(text.replace(/(\/\/[^/@:]*):[^/@]*@/, '$1:…@'));
  const wrong = (what: string) => new LibvirtUriError(`${shown}: ${what}`);
  if (!URL.canParse(text))
    throw wrong('no URI; a libvirt URI looks like qemu:///system or qemu+ssh://user@host/system');
  const url = new URL(text);
  const [path, user] = [decoded(url.pathname), decoded(url.username)];
  if (path === null || user === null) throw wrong('a % that is not followed by two hexadecimal digits');
  const [driver = '', transport = url.hostname === '' ? 'unix' : 'tls'] = url.protocol
    .slice(0, -1)
    .split('+');
  if (!DRIVERS.includes(driver)) {
    throw wrong(`the driver "${driver}" is not supported; supported are ${DRIVERS.join(' and ')}`);
  }
  if (!isTransport(transport)) {
    throw wrong(`the transport "${transport}" is not supported; supported are ${TRANSPORTS.join(', ')}`);
  }
  if (url.password !== '') throw wrong('a password in a URI is not supported; log in with a key');
  if (transport === 'unix' && url.host !== '')
    throw wrong('a unix socket is on this host: leave the host out');
  if (transport !== 'unix' && url.hostname === '') throw wrong(`the transport "${transport}" needs a host`);
  if (driver === 'qemu' && path !== '/system' && path !== '/session') {
    throw wrong(`the path is "${path}"; qemu has /system and /session`);
  }
  if (path === '' || path === '/') throw wrong("it has no path; libvirt's test driver has /default");
  const accepted = PARAMETERS[transport];
  for (const name of url.searchParams.keys()) {
    if (accepted.includes(name)) continue;
    const known = accepted.length === 0 ? 'none is known' : `known are ${accepted.join(', ')}`;
    const why = name === 'no_verify' ? 'the other side is always verified' : known;
    throw wrong(`the parameter "${name}" is not supported with ${transport}; ${why}`);
  }
  const remote = url.searchParams.get('name') ?? `${driver}://${path}`;
  return { remote, address: address(transport, url, { ...options, driver, path, user }) };
}

function isTransport(name: string): name is Address['transport'] {
  return TRANSPORTS.includes(name);
}

function address(
  transport: Address['transport'],
  url: URL,
  options: UriOptions & { driver: string; path: string; user: string },
): Address {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const given = url.searchParams.get('socket');
  const sockets = given === null ? usualSockets(options) : [given];
  switch (transport) {
    case 'unix':
      return { transport, sockets };
    case 'tcp':
      return { transport, host, port: portOf(url, PORTS.tcp) };
    case 'tls':
      return { transport, host, port: portOf(url, PORTS.tls), pki: url.searchParams.get('pkipath') };
    case 'ssh': {
      const identityFile = url.searchParams.get('keyfile');
      const knownHosts = url.searchParams.get('known_hosts');
      const target = {
        host,
        port: portOf(url, PORTS.ssh),
        user: options.user === '' ? userInfo().username : options.user,
        ...(identityFile === null ? {} : { identityFile }),
        ...(knownHosts === null ? {} : { knownHosts }),
        ...(options.agent === undefined ? {} : { agent: options.agent }),
      };
      // virt-ssh-helper finds the socket itself, and takes no other.
      return { transport, target, sockets, helper: given === null };
    }
  }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function portOf(url: URL, usual: number): number {
  return url.port === '' ? usual : Number(url.port);
}

/** Newer hosts have one daemon per driver, older ones the one libvirtd; the test driver is in that alone. */
function usualSockets({
  driver,
  path,
  runtimeDir,
}: UriOptions & { driver: string; path: string }): readonly string[] {
  const system = driver === 'test' || path === '/system';
  const folder = system ? '/run/libvirt' : `${runtimeDir ?? `/run/user/${userInfo().uid}`}/libvirt`;
  return (driver === 'test' ? ['libvirt-sock'] : [`virt${driver}d-sock`, 'libvirt-sock']).map(
    (name) => `${folder}/${name}`,
  );
}
