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

/** conntrack ends with 1 when there was nothing to delete. */
async function forget(side: string, ip: string): Promise<void> {
  try {
    await run('conntrack', ['-D', '-f', 'ipv4', side, ip]);
  } catch (error) {
    if (!(error instanceof CommandError && error.stderr.includes('0 flow entries'))) throw error;
  }
}
