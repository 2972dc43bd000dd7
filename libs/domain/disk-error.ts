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
  const full = NO_ROOM.has((cause as Partial<NodeJS.ErrnoException> | null | undefined)?.code);
  return new SandboxError(full ? 'NO_DISK_SPACE' : 'CAPTURE_FAILED', what, { cause });
}

/** Whether the host's disk is to blame, not the guest. */
export function isDiskError(error: unknown): error is SandboxError {
  return error instanceof SandboxError && (error.code === 'NO_DISK_SPACE' || error.code === 'CAPTURE_FAILED');
}
