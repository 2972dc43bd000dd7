import { createReadStream } from 'node:fs';
import { MAX_MEMBERS } from '#archives/limits.js';
import type { Unpacked } from '#archives/unpack.js';
import { quoted } from '#domain/quoted.js';
import { binaryPath, storeSample } from '#storage/binaries.js';
import type { Context } from '../context.js';
import { archiveName } from '../../http/file-name.js';
import { problem } from '../../http/problem.js';
import { readStrings } from './strings.js';
import type { Upload } from './upload.js';

/** What becomes one task. */
export type Item =
  | { readonly category: 'url'; readonly url: string }
  | { readonly category: 'file'; readonly sent: Upload }
  | {
      readonly category: 'archive';
      readonly sent: Upload;
      /** The plain zip. */
      readonly archive: Upload;
      readonly member: { readonly path: string; readonly sha256: string };
    };

export interface Items {
  readonly items: readonly Item[];
  /** Sentences about what is not among them. */
  readonly errors: readonly string[];
}

/** Of one request, together. */
const MAX_TASKS = 500;

/** @throws 413 */
export function mustBeFew(tasks: number): void {
  if (tasks <= MAX_TASKS) return;
  throw problem(413, `One request makes at most ${MAX_TASKS} tasks: send the rest in another`);
}

/** @throws 413 when there are too many, of either */
export function itemsOfStrings(strings: string): Items {
  const items: Item[] = [];
  const errors: string[] = [];
  for (const line of readStrings(strings)) {
    if (line.kind === 'url') items.push({ category: 'url', url: line.url });
    else errors.push(line.why);
    mustBeFew(Math.max(items.length, errors.length));
  }
  return { items, errors };
}

/** A file is one item; a container is one for each of its members. @throws 413 once there are too many */
export async function itemsOfFiles(
  uploads: readonly Upload[],
  password: string | null,
  by: Context,
  signal: AbortSignal,
): Promise<Items> {
  const items: Item[] = [];
  const errors: string[] = [];
  for (const sent of uploads) {
    const file = binaryPath(by.home.binaries, sent.sample.sha256);
    const limits = { bytes: by.settings.api.upload_max_size, members: MAX_MEMBERS };
    const found = await by.unpacker.unpack(
      { file, name: sent.name, password, limits },
      (unpacked) => itemsOf(sent, unpacked, by, signal),
      signal,
    );
    items.push(...found.items);
    errors.push(...found.errors);
    mustBeFew(Math.max(items.length, errors.length));
  }
  return { items, errors };
}

async function itemsOf(sent: Upload, unpacked: Unpacked, by: Context, signal: AbortSignal): Promise<Items> {
  switch (unpacked.kind) {
    case 'file':
      return { items: [{ category: 'file', sent }], errors: unpacked.note === null ? [] : [unpacked.note] };
    case 'refused':
      return { items: [], errors: [unpacked.why] };
    case 'archive': {
      // Nothing runs an empty file. It stays in the zip, for the others.
      const members = unpacked.members.filter(({ size }) => size > 0);
      const empty = `${quoted(sent.name)} holds empty files only`;
      if (members.length === 0) return { items: [], errors: [...unpacked.notes, empty] };
      const archive = { name: archiveName(sent.name), sample: await storeZip(unpacked.zip, by, signal) };
      return {
        items: members.map((member) => ({ category: 'archive', sent, archive, member })),
        errors: unpacked.notes,
      };
    }
  }
}

async function storeZip(zip: string, by: Context, signal: AbortSignal): Promise<Upload['sample']> {
  const { home, facts } = by;
  const sample = await storeSample(
    createReadStream(zip),
    // Bounded by what was unpacked.
    { binariesDir: home.binaries, maxBytes: Number.MAX_SAFE_INTEGER, follow: (path) => facts.follow(path) },
    signal,
  );
  await by.artifacts.putSample(sample.sha256, signal);
  return sample;
}
