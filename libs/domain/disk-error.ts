import { SandboxError } from './errors.js';

/** What a file system says when there is no room: for anyone, or for this user. */
const NO_ROOM: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * The error of a host that could not keep evidence: NO_DISK_SPACE when there was no room, else CAPTURE_FAILED.
 *
 * @param what could not be done, with the name of the file
 * @param cause the file system's error
 */
export function diskError(what: string, cause: unknown): SandboxError {
  return new SandboxError(isDiskFull(cause) ? 'NO_DISK_SPACE' : 'CAPTURE_FAILED', what, { cause });
}

/** Whether a file system's error says that there was no room. */
export function isDiskFull(error: unknown): boolean {
  return NO_ROOM.has((error as Partial<NodeJS.ErrnoException> | null | undefined)?.code);
}

/**
 * What `work` answers.
 *
 * @param what could not be done, with the name of the file or folder
 * @throws NO_DISK_SPACE when there was no room, else the error as it was
 */
export async function withinRoom<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isDiskFull(cause)) throw cause;
    throw new SandboxError('NO_DISK_SPACE', `The disk is full; ${what}`, { cause });
  }
}

/** Whether the host's disk is to blame, not the guest. */
export function isDiskError(error: unknown): error is SandboxError {
  return error instanceof SandboxError && (error.code === 'NO_DISK_SPACE' || error.code === 'CAPTURE_FAILED');
}
