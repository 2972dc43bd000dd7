import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { groupName, userName } from './owner.js';

/** What comes of connecting to a unix socket. */
export type SocketState =
  | { readonly state: 'open' }
  /** No such file. */
  | { readonly state: 'missing' }
  /** A file that is none, or that nobody listens on: left by a process that was killed. */
  | { readonly state: 'stale' }
  | { readonly state: 'denied'; readonly owner: string; readonly group: string; readonly mode: string }
  | { readonly state: 'other'; readonly error: string };

/** Connects and hangs up. */
export async function trySocket(path: string, signal: AbortSignal): Promise<SocketState> {
  const socket = connect({ path });
  try {
    await once(socket, 'connect', { signal });
    return { state: 'open' };
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { state: 'missing' };
    if (code === 'ECONNREFUSED' || code === 'ENOTSOCK') return { state: 'stale' };
    if (code === 'EACCES') return await denied(path);
    return { state: 'other', error: message };
  } finally {
    socket.on('error', () => undefined);
    socket.destroy();
  }
}

async function denied(path: string): Promise<SocketState> {
  const about = await stat(path).catch(() => null); // in a folder we may not enter
  if (about === null) return { state: 'denied', owner: '?', group: '?', mode: '?' };
  const [owner, group] = await Promise.all([userName(about.uid), groupName(about.gid)]);
  return { state: 'denied', owner, group, mode: (about.mode & 0o777).toString(8) };
}
