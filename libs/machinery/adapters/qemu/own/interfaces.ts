import { access, readlink } from 'node:fs/promises';
import { basename } from 'node:path';

const SYS_NET = '/sys/class/net';

/** Is there an interface of that name, and is it a bridge? */
export function isBridge(name: string): Promise<boolean> {
  return exists(`${SYS_NET}/${name}/bridge`);
}

/** The bridge that an interface is behind; '' = none, null = there is no such interface. */
export async function masterOf(name: string): Promise<string | null> {
  if (!(await exists(`${SYS_NET}/${name}`))) return null;
  try {
    return basename(await readlink(`${SYS_NET}/${name}/master`));
  } catch {
    return '';
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
