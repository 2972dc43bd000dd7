import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '#domain/machine.js';
import type { AnalyzerBundle } from './cuckoo-sequence.js';

const PLATFORMS: readonly Platform[] = ['windows', 'linux', 'darwin', 'android'];

/** An analyzer that an operator brought along, for guests that have none of their own. */
export interface Analyzer extends AnalyzerBundle {
  /** How it talks to the result server. Nothing in the bytes says it: the analyzer's own code does. */
  readonly dialect: 'cuckoo2' | 'cape';
}

/** Those of a folder that has the layout of Cuckoo's own `analyzer/`: <platform>/analyzer.py, and what that needs beside it. */
export async function findAnalyzers(folder: string): Promise<ReadonlyMap<Platform, Analyzer>> {
  const found = new Map<Platform, Analyzer>();
  for (const platform of PLATFORMS) {
    const own = join(folder, platform);
    if (!(await isThere(join(own, 'analyzer.py')))) continue;
    found.set(platform, { folder: own, platform, dialect: await dialectOf(own) });
  }
  return found;
}

/** What to do for a guest whose agent has no analyzer. */
export function howToBring(folder: string, platform: Platform): string {
  const own = join(folder, platform);
  return `put the analyzer for ${platform} of Cuckoo 2 (analyzer/${platform} of its working directory, with the monitor in its bin/) into ${own}, or use a guest with Malkoha's agent`;
}

/** Only CAPE's uploads name the parents of processes (spec protocols.md §1.3). */
async function dialectOf(folder: string): Promise<Analyzer['dialect']> {
  const uploads = await readFile(join(folder, 'lib', 'common', 'results.py'), 'utf8').catch(() => '');
  return /\bppids\b/.test(uploads) ? 'cape' : 'cuckoo2';
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
