import { readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnalysisPlaces } from '../analyses.js';
import { readMark, RUN_MARK } from './run-mark.js';

/** Milliseconds since its last use during which nothing is dropped: a report may be written, an archive sent. */
const IN_USE_MS = 3_600_000;

export interface Cached {
  readonly kind: 'analysis' | 'sample';
  readonly path: string;
  readonly bytes: number;
  /** Of its last use, milliseconds since 1970. */
  readonly used: number;
}

/** Remembers that it was used now. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/** Analysis folders and samples that the object store has as well, as far as this host knows. */
export async function cachedOf({ analyses, binaries }: AnalysisPlaces): Promise<readonly Cached[]> {
  const found: Cached[] = [];
  for (const name of await namesIn(analyses, /^\d+$/)) {
    const path = join(analyses, name);
    const content = (await readMark(path))?.stored?.content;
    const used = await stat(join(path, RUN_MARK)).catch(() => null); // removed meanwhile
    if (!content || !used) continue;
    const bytes = content.files.reduce((sum, { size }) => sum + size, 0);
    found.push({ kind: 'analysis', path, bytes, used: used.mtimeMs });
  }
  for (const name of await namesIn(binaries, /^[0-9a-f]{64}$/)) {
    const path = join(binaries, name);
    const file = await stat(path).catch(() => null);
    if (file) found.push({ kind: 'sample', path, bytes: file.size, used: file.mtimeMs });
  }
  return found;
}

/** What must go so that the rest fits into `limit` bytes: the longest unused first, nothing of the last hour. */
export function overflow(cached: readonly Cached[], limit: number, now: number): readonly Cached[] {
  let bytes = cached.reduce((sum, one) => sum + one.bytes, 0);
  return cached
    .toSorted((a, b) => a.used - b.used)
    .filter(({ used, bytes: size }) => {
      if (bytes <= limit || now - used < IN_USE_MS) return false;
      bytes -= size;
      return true;
    });
}

async function namesIn(dir: string, form: RegExp): Promise<readonly string[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => form.test(name));
}
