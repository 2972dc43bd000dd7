import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SandboxError } from '#domain/errors.js';

/** The folder of .conf files that a person means: `<path>/conf`, else `path` itself. @throws USAGE when neither is one */
export async function confFolder(command: string, path: string): Promise<string> {
  const folder = resolve(path);
  if (await isFolder(join(folder, 'conf'))) return join(folder, 'conf');
  if (await isFolder(folder)) return folder;
  throw new SandboxError('USAGE', `${command}: ${folder} is not a folder`);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
