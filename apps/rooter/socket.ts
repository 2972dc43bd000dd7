import { once } from 'node:events';
import { mkdirSync, unlinkSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { reason, SandboxError } from '#domain/errors.js';

/** Whom the socket is for. */
export interface Audience {
  /** Name or number; null: whoever owns the folder of the socket. */
  readonly user: string | null;
  readonly group: string | null;
}

/** What a folder and a socket that are made do not permit. */
const OWNER_ONLY = [0o077, 0o177] as const;
const OWNER_AND_GROUP = [0o027, 0o117] as const;

/**
 * Listens on a unix socket. Who may ask is decided by the kernel, by the permissions of the socket and its folder: Node
 * cannot read SO_PEERCRED, and these check the same identity at the same moment, when somebody connects.
 *
 * The socket is made with the rights of the user it is for, not made by root and given away: in a folder of that user's
 * root would follow whatever the name has become meanwhile.
 *
 * @returns the user whose socket it is
 */
export async function listen(server: Server, path: string, audience: Audience): Promise<number> {
  const { uid, gid } = await identity(path, audience);
  const stale = await isStale(path);
  const [folderMask, socketMask] = audience.group === null ? OWNER_ONLY : OWNER_AND_GROUP;
  const listening = once(server, 'listening');
  try {
    as(uid, gid, folderMask, () => {
      mkdirSync(dirname(path), { recursive: true });
      process.umask(socketMask);
      if (stale) unlinkSync(path);
      server.listen(path);
    });
    await listening;
  } catch (cause) {
    listening.catch(() => {});
    throw new SandboxError(
      'SETUP_MISSING',
      `the socket ${path} cannot be made with the rights of user ${uid} and group ${gid}: ${reason(cause)}`,
      { cause },
    );
  }
  await mustBeSafe(path, audience);
  return uid;
}

/** The identity is the whole process's: `work` must be over when it returns, as binding a socket is. */
function as(uid: number, gid: string | number, mask: number, work: () => void): void {
  const before = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, mask: process.umask(mask) };
  const isRoot = before.uid === 0;
  try {
    if (isRoot) process.setegid?.(gid);
    if (isRoot) process.seteuid?.(uid);
    work();
  } finally {
    process.seteuid?.(before.uid);
    process.setegid?.(before.gid);
    process.umask(before.mask);
  }
}

async function identity(
  path: string,
  { user, group }: Audience,
): Promise<{ uid: number; gid: string | number }> {
  const folder = await nearest(dirname(path));
  const uid = user === null ? folder.uid : userId(user);
  return { uid, gid: group === null ? folder.gid : /^\d+$/.test(group) ? Number(group) : group };
}

/** The first folder on the way up that is there. */
async function nearest(folder: string): Promise<{ uid: number; gid: number }> {
  try {
    return await lstat(folder);
  } catch (error) {
    const above = dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === folder) throw error;
    return nearest(above);
  }
}

/** Node asks the system for a name only when it takes on the identity. */
function userId(user: string): number {
  if (/^\d+$/.test(user)) return Number(user);
  const before = process.geteuid?.();
  try {
    process.seteuid?.(user);
    return process.geteuid?.() ?? 0;
  } catch (cause) {
    throw new SandboxError('USAGE', `--user: there is no user ${JSON.stringify(user)} on this host`, {
      cause,
    });
  } finally {
    if (before !== undefined) process.seteuid?.(before);
  }
}

/** A socket that nobody answers is left from a rooter that was killed. @throws ALREADY_RUNNING, USAGE */
async function isStale(path: string): Promise<boolean> {
  const there = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (there === null) return false;
  if (!there.isSocket())
    throw new SandboxError('USAGE', `${path} is there and is no socket: name another path for the rooter's`);
  const probe = connect(path);
  const answers = await once(probe, 'connect').then(
    () => true,
    () => false,
  );
  probe.destroy();
  if (answers) throw new SandboxError('ALREADY_RUNNING', `something answers at ${path} already`);
  return true;
}

/** A folder that anybody writes to lets anybody put a socket of theirs in the place of ours. */
async function mustBeSafe(path: string, { group }: Audience): Promise<void> {
  const folder = await lstat(dirname(path));
  const sticky = (folder.mode & 0o1000) !== 0;
  if ((folder.mode & 0o002) !== 0 && !sticky)
    throw new SandboxError(
      'SETUP_MISSING',
      `anybody may replace files in ${dirname(path)}: put the rooter's socket into another folder`,
    );
  const mode = (await lstat(path)).mode & 0o777;
  if (mode !== (group === null ? 0o600 : 0o660))
    throw new SandboxError(
      'SETUP_MISSING',
      `${path} has the permissions ${mode.toString(8)}, not those asked for`,
    );
}
