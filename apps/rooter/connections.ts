import { SandboxError } from '#domain/errors.js';
import { CommandError, run } from './command.js';

/**
 * Makes the kernel forget the connections of a guest: the next route must not inherit where they lead and what address
 * they have outside. Without the program `conntrack` they stay until they time out, and are dropped all the same, because
 * nothing accepts by state alone; only a flow with the same ports could reach the old address translation.
 *
 * @returns false when the program is not installed
 */
export async function forgetConnections(ip: string): Promise<boolean> {
  try {
    for (const side of ['--orig-src', '--orig-dst']) await forget(side, ip);
    return true;
  } catch (error) {
    if (error instanceof SandboxError && error.code === 'SETUP_MISSING' && !(error instanceof CommandError))
      return false;
    throw error;
  }
}

/** Each deletes some, unless all that it saw expired before it. */
const MOST_TRIES = 100;

/**
 * conntrack ends with 1 when there was nothing to delete, and in the midst of its list when an entry expired between being
 * listed and being deleted: a guest has many that are about to.
 */
async function forget(side: string, ip: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run('conntrack', ['-D', '-f', 'ipv4', side, ip]);
      return;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (/(^|\s)0 flow entries/.test(error.stderr)) return;
      if (!error.stderr.includes("such conntrack doesn't exist") || tries === MOST_TRIES) throw error;
    }
  }
}
