import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SAMPLES } from '../malkoha.js';

/** What is submitted, by how it has to end. */
export type Kind = 'url' | 'file' | 'anywhere' | 'qemu' | 'pinned' | 'crash' | 'deleted';

export interface Submission {
  readonly n: number;
  readonly kind: Kind;
  /** What its report must name: the URL, or the name of the file. */
  readonly target: string;
  /** Unique, and handed on to the node: it is counted there by this. */
  readonly custom: string;
}

/** The n-th submission; of 500, 10 crash, 10 are deleted, 20 run in a real guest, and 20 are for one node. */
export function submission(n: number): Submission {
  const kind = kindOf(n);
  const url = kind === 'url' || kind === 'crash' || kind === 'deleted';
  const target = url ? `http://example.test/${n}` : `sample${n}.sh`;
  return { n, kind, target, custom: `task ${n}` };
}

function kindOf(n: number): Kind {
  if (n % 25 === 7) return 'qemu';
  if (n % 25 === 11) return 'pinned';
  if (n % 25 === 19) return 'anywhere';
  if (n % 50 === 13) return 'crash';
  if (n % 50 === 23) return 'deleted';
  return n % 2 === 0 ? 'url' : 'file';
}

/** `pinTo`: the node of those that are for one only. */
export async function formOf({ n, kind, target, custom }: Submission, pinTo: string): Promise<FormData> {
  const form = new FormData();
  const set = (fields: Record<string, string>) => {
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
  };
  set({ custom, timeout: '30', priority: String(1 + randomInt(3)), owner: `client${randomInt(5)}` });
  if (kind === 'qemu') set({ tags: 'x64' });
  else if (kind !== 'anywhere') set({ tags: 'fake', options: `fake_ms=${50 + randomInt(400)}` });
  if (kind === 'crash') set({ options: 'fake=crash' });
  if (kind === 'pinned') set({ node: pinTo });
  if (target.startsWith('http')) set({ url: target });
  else {
    const sample = await readFile(join(SAMPLES, 'noop.sh'), 'utf8');
    form.set('file', new Blob([`${sample}# ${n}\n`]), target);
  }
  return form;
}
