import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HomePaths } from '#config/home.js';
import { reason } from '#domain/errors.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { nearestFolder, proveWritable } from './folders.js';
import { ourName, userName } from './owner.js';

/** Bytes of a unix socket's path the kernel takes, without the ending zero (unix(7)). */
const SOCKET_PATH_LIMIT = 107;
/** The longest names that are made below `run`: of a machine's network, `<worker>/<machine>.net`. */
const LONGEST_NAME = 48;

/** Is the home folder ours, and closed to others? The configuration is in it. */
export function homeCheck(home: HomePaths): Check {
  return { name: 'home folder', run: () => homeFolder(home) };
}

/** May we write where we must? */
export function storageChecks(configured: Configured): readonly Check[] {
  return [
    { name: 'storage', run: () => storage(configured) },
    { name: 'socket paths', run: () => socketPaths(configured.home) },
  ];
}

async function homeFolder({ dir }: HomePaths): Promise<Verdict> {
  let about;
  try {
    about = await stat(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return await notThere(dir);
    return fail(`${dir} cannot be looked at: ${reason(error)}`, fixOf(dir));
  }
  if (!about.isDirectory()) return fail(`${dir} is no folder`, `remove it, or choose another with --home`);
  const uid = process.geteuid?.();
  const owner = await userName(about.uid);
  try {
    await proveWritable(dir);
  } catch (error) {
    return fail(`${ourName()} cannot write in ${dir} (of ${owner}): ${reason(error)}`, fixOf(dir));
  }
  if (about.uid !== uid)
    return warn(`${dir} belongs to ${owner}, not to ${ourName()}, who runs this`, fixOf(dir));
  if ((about.mode & 0o022) !== 0) {
    const mode = (about.mode & 0o777).toString(8);
    return fail(
      `others may write in ${dir} (mode ${mode}): they could change samples, reports and machines`,
      `chmod go-w ${dir}`,
    );
  }
  return ok(`${dir} is ours, and writable`);
}

async function notThere(dir: string): Promise<Verdict> {
  const above = await nearestFolder(dirname(dir));
  return proveWritable(above).then(
    () => ok(`${dir} is not there yet; the first start makes it`),
    () =>
      fail(
        `${dir} is not there, and ${ourName()} cannot make it in ${above}`,
        `as root: install -d -m 700 -o ${ourName()} ${dir}`,
      ),
  );
}

function fixOf(dir: string): string {
  return `as root: chown -R ${ourName()} ${dir} && chmod u+rwx ${dir}; or run Malkoha as the folder's owner`;
}

/** Where samples and results go; a folder that hosts share may be writable on one of them only. */
async function storage({ home }: Configured): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const folder of new Set([home.storage, home.analyses, home.binaries, home.run])) {
    const there = await nearestFolder(folder);
    try {
      await proveWritable(there);
    } catch (error) {
      verdicts.push(fail(`${ourName()} cannot write in ${there}: ${reason(error)}`, fixOf(there)));
    }
  }
  return verdicts.length > 0 ? verdicts : [ok(`${home.storage} is writable`)];
}

function socketPaths({ run, redis }: HomePaths): Verdict {
  const longest = Math.max(Buffer.byteLength(redis.socket), Buffer.byteLength(run) + 1 + LONGEST_NAME);
  if (longest <= SOCKET_PATH_LIMIT) return ok('short enough');
  const text = `paths below ${run} may get ${longest} bytes long; the kernel takes ${SOCKET_PATH_LIMIT} for a socket`;
  const fix = 'choose a home folder with a shorter path (--home)';
  return Buffer.byteLength(redis.socket) > SOCKET_PATH_LIMIT ? fail(text, fix) : warn(text, fix);
}
