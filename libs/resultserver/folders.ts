import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ANALYSIS_FOLDERS } from '#domain/artifacts.js';
import { SandboxError } from '#domain/errors.js';
import type { Dialect } from './header.js';
import { UPLOAD_FOLDERS } from './upload-path.js';

/**
 * Makes the folders of one analysis that are not there, once, before the guest runs.
 *
 * @throws PROTOCOL_VIOLATION when one of them is a link or a file: what is written into it would land elsewhere
 */
export async function makeFolders(dir: string, dialect: Dialect): Promise<void> {
  // One look finds what whoever made the folder made with it.
  const found = await readdir(dir, { withFileTypes: true });
  const there = new Set(found.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])));
  for (const folder of new Set([...ANALYSIS_FOLDERS, ...UPLOAD_FOLDERS[dialect]])) {
    if (there.has(folder)) continue;
    const path = join(dir, folder);
    await mkdir(path, { recursive: true });
    if (!(await lstat(path)).isDirectory()) {
      throw new SandboxError('PROTOCOL_VIOLATION', `${path} is not a folder of its own`);
    }
  }
}
