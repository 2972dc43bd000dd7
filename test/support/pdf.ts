import { inflateSync } from 'node:zlib';

export interface ReadPdf {
  readonly pages: number;
  readonly images: number;
  /** The texts that are drawn, one line each. */
  readonly text: string;
}

interface PdfObject {
  readonly head: string;
  readonly stream: Buffer | null;
}

/** Objects of a file with a classic cross-reference table, as pdfkit writes it: `N 0 obj … endobj`, streams deflated. */
function objectsOf(file: Buffer): ReadonlyMap<number, PdfObject> {
  const objects = new Map<number, PdfObject>();
  const source = file.toString('latin1');
  for (const match of source.matchAll(/^(\d+) 0 obj\n([^]*?)(?:\nstream\n|\nendobj\n)/gm)) {
    const [whole, number = '', head = ''] = match;
    const start = match.index + whole.length;
    const length = Number(/\/Length (\d+)/.exec(head)?.[1] ?? 0);
    const raw = whole.endsWith('stream\n') ? file.subarray(start, start + length) : null;
    const stream = raw !== null && head.includes('/FlateDecode') ? inflateSync(raw) : raw;
    objects.set(Number(number), { head, stream });
  }
  return objects;
}

/** Glyph → text, of a ToUnicode map. */
function unicodeOf(map: string): readonly string[] {
  const entries = [...map.matchAll(/<[0-9a-f]{4}> <[0-9a-f]{4}> \[(.*?)\]/gs)].flatMap(([, list = '']) =>
    [...list.matchAll(/<([0-9a-f]*)>/g)].map(([, hex = '']) => hex),
  );
  return entries.map((hex) => Buffer.from(hex, 'hex').swap16().toString('utf16le'));
}

/** Enough of a reader for the documents we make; it knows no other's. */
export function readPdf(file: Buffer): ReadPdf {
  const objects = objectsOf(file);
  const reference = (head: string, key: string): number =>
    Number(new RegExp(`/${key} (\\d+) 0 R`).exec(head)?.[1] ?? -1);
  const fonts = new Map<string, readonly string[]>();
  let pages = 0;
  let images = 0;
  const contents: string[] = [];
  for (const { head } of objects.values()) {
    if (head.includes('/Subtype /Image')) images++;
    if (!/\/Type \/Page\b/.test(head)) continue;
    pages++;
    const resources = objects.get(reference(head, 'Resources'))?.head ?? '';
    for (const [, name = '', number = ''] of resources.matchAll(/\/(F\d+) (\d+) 0 R/g)) {
      const font = objects.get(Number(number))?.head ?? '';
      const map = objects.get(reference(font, 'ToUnicode'))?.stream;
      fonts.set(name, unicodeOf(map?.toString('latin1') ?? ''));
    }
    contents.push(objects.get(reference(head, 'Contents'))?.stream?.toString('latin1') ?? '');
  }
  const lines: string[] = [];
  let font: readonly string[] = [];
  for (const content of contents) {
    for (const [, name, shown = ''] of content.matchAll(/\/(F\d+) [\d.]+ Tf|\[(<[^\]]*)\] TJ/g)) {
      if (name !== undefined) font = fonts.get(name) ?? [];
      else {
        const hex = [...shown.matchAll(/<([0-9a-f]*)>/g)].map(([, part = '']) => part).join('');
        const glyphs = hex.match(/.{4}/g) ?? [];
        lines.push(glyphs.map((glyph) => font[parseInt(glyph, 16)] ?? '\ufffd').join(''));
      }
    }
  }
  return { pages, images, text: lines.join('\n') };
}
