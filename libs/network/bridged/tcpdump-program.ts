import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SandboxError } from '#domain/errors.js';

const FOLDERS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** All that the programs we start are told of the environment: their messages stay English. */
export const PROGRAM_ENV = { PATH: FOLDERS, LC_ALL: 'C' };

/**
 * The tcpdump that `[sniffer] tcpdump` names. Cuckoo's default is /usr/sbin/tcpdump, which newer systems have in
 * /usr/bin: a tcpdump that is not where it should be is looked for where programs are.
 *
 * @throws SETUP_MISSING naming what was looked for
 */
export async function findTcpdump(configured: string): Promise<string> {
  const elsewhere =
    basename(configured) === 'tcpdump' ? FOLDERS.split(':').map((folder) => join(folder, 'tcpdump')) : [];
  for (const path of [configured, ...elsewhere]) if (path.startsWith('/') && (await runs(path))) return path;
  throw new SandboxError(
    'SETUP_MISSING',
    `there is no program ${configured} (auxiliary.conf: [sniffer] tcpdump) that this user may run: apt-get install tcpdump`,
  );
}

async function runs(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
