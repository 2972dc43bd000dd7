import { readFile, readdir, readlink } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';

/** TCP_LISTEN in the kernel's include/net/tcp_states.h, as /proc/net/tcp prints it. */
const LISTEN = '0A';

/**
 * Who listens on a TCP port of this host, for error texts: `redis-server (pid 812)`; null when it cannot be told
 * (another user's process, or nobody any more).
 */
export async function portHolder(port: number): Promise<string | null> {
  const owner = await portOwner(port);
  return owner === null ? null : `${owner.name} (pid ${owner.pid})`;
}

/** The same, by its parts. */
export async function portOwner(
  port: number,
): Promise<{ readonly name: string; readonly pid: number } | null> {
  const inodes = new Set(
    (await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((table) => listeners(table, port)))).flat(),
  );
  if (inodes.size === 0) return null;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (await holds(pid, inodes)) return { name: await commandName(pid), pid: Number(pid) };
  }
  return null;
}

/** Socket inodes that listen on `port`: column 2 is local address:port in hex, 4 the state, 10 the inode. */
async function listeners(table: string, port: number): Promise<readonly string[]> {
  const text = await readFile(table, 'latin1').catch(() => ''); // no IPv6 on this host: no table
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === LISTEN && local.endsWith(wanted))
    .map((columns) => columns[9] ?? '');
}

async function holds(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []); // ended meanwhile, or not ours to see
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

async function commandName(pid: string): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a process')).trim();
}

/** Of `--port`. @throws USAGE */
export function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(port <= 65535))
    throw new SandboxError('USAGE', `--port must be a number from 0 to 65535, not ${text}`);
  return port;
}

/** Why listening failed: PORT_IN_USE naming who has it, CANNOT_LISTEN; else the error as it is. */
export async function portError(error: unknown, port: number): Promise<unknown> {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code !== 'EADDRINUSE')
    return syscall === 'listen' || syscall === 'getaddrinfo'
      ? new SandboxError('CANNOT_LISTEN', `the API cannot listen on port ${port}`, { cause: error })
      : error;
  const holder = await portHolder(port);
  const by = holder === null ? '' : ` by ${holder}`;
  return new SandboxError('PORT_IN_USE', `port ${port} is in use${by}`, { cause: error });
}
