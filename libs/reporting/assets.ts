import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assets } from './format.js';

/** Bytes of one picture; a full-HD PNG of a desktop is about 1 MB. */
const MAX_PICTURE = 8 * 1024 * 1024;

/** Reads pictures from an analysis folder. The guest's uploads lie there too: no links are followed, no other names read. */
export function folderAssets(dir: string): Assets {
  return {
    async screenshot(path) {
      if (!/^shots\/\w[\w.-]{0,200}$/.test(path)) return null;
      try {
        await using file = await open(
          join(dir, path),
          constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
        );
        const stat = await file.stat();
        return stat.isFile() && stat.size <= MAX_PICTURE ? await file.readFile() : null;
      } catch (error) {
        const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
        if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR') return null;
        throw error;
      }
    },
  };
}
