import { createHash } from 'node:crypto';
import type { Report } from '#domain/report.js';
import { clip } from '../../text.js';
import { element, type Element } from '../xml.js';

/** Code units of one text. */
const TEXT = 4096;

/** Names the target in ids: that of the file's content, or of the URL's text. */
export function targetMd5({ target }: Report): string {
  return target.category === 'url' ? createHash('md5').update(target.url).digest('hex') : target.file.md5;
}

export const cut = (text: string): string => clip(text, TEXT);

/** Ids as Cuckoo made them: the bundle's prefix, a word for the kind, a running number. */
export class Ids {
  readonly #prefix: string;
  readonly #last = new Map<string, number>();

  constructor(report: Report) {
    this.#prefix = `maec:${targetMd5(report)}`;
  }

  of(kind: 'bnd' | 'ana' | 'tol' | 'bhv' | 'act' | 'imp' | 'api' | 'obj'): string {
    const number = (this.#last.get(kind) ?? 0) + 1;
    this.#last.set(kind, number);
    return `${this.#prefix}:${kind}:${number}`;
  }
}

export const objectReference = (name: string, id: string): Element =>
  element(name, { type: 'Object', object_id: id });
