import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { ARTIFACTS, type UploadEntry } from '#domain/artifacts.js';
import type { DroppedFile } from '#domain/report.js';
import { reportFile } from '../file-report.js';
import type { AnalysisFolder } from '../folder.js';
import type { ProcessingModule } from '../processing.js';
import { chunksOf, isPlainFile, linesOf } from '../reading.js';

/** Files in the report. */
const MAX_FILES = 5000;
/** Bytes of files.json read: some hundred per upload. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024;
/** Folders of files that a report lists as dropped. */
const FOLDERS = [ARTIFACTS.dropped, 'package_files'] as const;

type Upload = Pick<UploadEntry, 'path'> & Partial<UploadEntry>;

/** Files the guest made or changed, in the order they arrived; those nobody listed come last, by name. */
export const dropped: ProcessingModule<'dropped'> = {
  section: 'dropped',
  needs: FOLDERS,
  async run(folder, note, signal) {
    const uploads = await listed(folder, signal);
    const known = new Set(uploads.map(({ path }) => path));
    const unlisted = (await stored(folder)).filter((path) => !known.has(path));
    const trace = await folder.trace().catch(() => null);
    signal.throwIfAborted();

    const files: DroppedFile[] = [];
    let missing = 0;
    for (const upload of [...uploads, ...unlisted.map((path): Upload => ({ path }))]) {
      if (files.length >= MAX_FILES) {
        note(`Only the first ${MAX_FILES} dropped files are listed.`);
        break;
      }
      const file = folder.path(upload.path);
      if (!(await isPlainFile(file))) {
        missing++;
        continue;
      }
      const { path } = upload;
      const filepath = upload.filepath ?? null;
      files.push({
        ...(await reportFile({ file, path, name: posix.basename(path) }, signal)),
        filepath,
        pids: upload.pids ?? [],
        deleted: filepath !== null && (trace?.isDeleted(filepath) ?? false),
        complete: (upload.status ?? 'aborted') === 'complete',
      });
    }
    if (missing > 0) note(`${missing} uploaded files are listed but not stored.`);
    return files.length === 0 ? undefined : files;
  },
};

/** Entries of files.json about dropped files, each path once: the last entry wins, at the first one's place. */
async function listed(folder: AnalysisFolder, signal: AbortSignal): Promise<Upload[]> {
  const uploads = new Map<string, Upload>();
  for await (const line of linesOf(chunksOf(folder.path(ARTIFACTS.files), signal, MAX_INDEX_BYTES))) {
    const upload = parse(line);
    if (upload !== null && isDropped(upload.path)) uploads.set(upload.path, upload);
  }
  return [...uploads.values()];
}

/** The host writes the index; a crash may cut its last line. */
function parse(line: string): Upload | null {
  try {
    const value: unknown = JSON.parse(line);
    const known =
      typeof value === 'object' && value !== null && 'path' in value && typeof value.path === 'string';
    return known ? (value as Upload) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** `folder/name`, nothing deeper, nothing that climbs. */
function isDropped(path: string): boolean {
  const [folder = '', name = '', ...deeper] = path.split('/');
  const plain = name !== '' && name !== '.' && name !== '..' && deeper.length === 0 && !name.includes('\0');
  return plain && (FOLDERS as readonly string[]).includes(folder);
}

async function stored(folder: AnalysisFolder): Promise<string[]> {
  const paths: string[] = [];
  for (const name of FOLDERS) {
    const entries = await readdir(folder.path(name), { withFileTypes: true }).catch(() => []);
    paths.push(...entries.filter((entry) => entry.isFile()).map((entry) => `${name}/${entry.name}`));
  }
  return paths.sort();
}
