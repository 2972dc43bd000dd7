import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Font } from './style.js';

const FOLDER = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf');
const FILES = {
  sans: 'DejaVuSans.ttf',
  bold: 'DejaVuSans-Bold.ttf',
  mono: 'DejaVuSansMono.ttf',
} as const satisfies Record<Font, string>;

/** Ligatures, kerning and shaping of scripts that `printable` spells out anyway. Applying them took most of the time. */
const LAYOUT = new Set(['GDEF', 'GPOS', 'GSUB', 'kern']);

/** Of `post`: what a document needs of it. The names of six thousand glyphs follow. */
const POST_HEAD = 32;
const POST_WITHOUT_NAMES = 0x0003_0000;

interface Table {
  readonly tag: string;
  readonly checksum: number;
  readonly data: Buffer;
}

/** Tables of a TrueType file: a head of 12 bytes, then for each tag, checksum, offset, length, four bytes each. */
function* tablesOf(file: Buffer): Generator<Table> {
  const count = file.readUInt16BE(4);
  for (let entry = 12; entry < 12 + 16 * count; entry += 16) {
    const offset = file.readUInt32BE(entry + 8);
    yield {
      tag: file.toString('latin1', entry, entry + 4),
      checksum: file.readUInt32BE(entry + 4),
      data: file.subarray(offset, offset + file.readUInt32BE(entry + 12)),
    };
  }
}

/**
 * The same font with one glyph a character from left to right, and nothing else.
 *
 * @see https://learn.microsoft.com/typography/opentype/spec/otff#table-directory
 */
export function plainFont(file: Buffer): Buffer {
  const tables = [...tablesOf(file)]
    .filter(({ tag }) => !LAYOUT.has(tag))
    .map((table) => {
      if (table.tag !== 'post') return table;
      const data = Buffer.from(table.data.subarray(0, POST_HEAD));
      data.writeUInt32BE(POST_WITHOUT_NAMES, 0);
      return { ...table, data };
    });
  const head = Buffer.alloc(12 + 16 * tables.length);
  file.copy(head, 0, 0, 12);
  head.writeUInt16BE(tables.length, 4);
  const parts: Buffer[] = [head];
  let offset = head.length;
  tables.forEach(({ tag, checksum, data }, i) => {
    const entry = 12 + 16 * i;
    head.write(tag, entry, 'latin1');
    head.writeUInt32BE(checksum, entry + 4);
    head.writeUInt32BE(offset, entry + 8);
    head.writeUInt32BE(data.length, entry + 12);
    const padding = -data.length & 3;
    parts.push(data, Buffer.alloc(padding));
    offset += data.length + padding;
  });
  return Buffer.concat(parts);
}

let loaded: Promise<readonly (readonly [Font, Buffer])[]> | undefined;

/** Read once in a process. */
export function fonts(): Promise<readonly (readonly [Font, Buffer])[]> {
  loaded ??= Promise.all(
    (['sans', 'bold', 'mono'] as const).map(
      async (font) => [font, plainFont(await readFile(join(FOLDER, FILES[font])))] as const,
    ),
  );
  return loaded;
}
