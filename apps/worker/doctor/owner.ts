import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';

/** Name of a user id, from passwd(5); the number when it has none. */
export function userName(uid: number): Promise<string> {
  return nameOf('/etc/passwd', uid);
}

/** Name of a group id, from group(5). */
export function groupName(gid: number): Promise<string> {
  return nameOf('/etc/group', gid);
}

export function ourName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? '?'); // a user id without a name, as containers have them
  }
}

async function nameOf(table: string, id: number): Promise<string> {
  const text = await readFile(table, 'utf8').catch(() => '');
  const row = text.split('\n').find((line) => line.split(':')[2] === String(id));
  return row?.split(':')[0] ?? String(id);
}
