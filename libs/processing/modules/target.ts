import { ARTIFACTS } from '#domain/artifacts.js';
import type { FileReport, ReportTarget } from '#domain/report.js';
import type { AnalysisFolder } from '../folder.js';
import { reportChunks, reportFile } from '../file-report.js';
import type { Note } from '../processing.js';
import { memberPath, sampleChunks } from '../sample-chunks.js';

/** What was analysed. The stored file is hashed again: a report must not vouch for bytes nobody looked at. */
export async function target(folder: AnalysisFolder, note: Note, signal: AbortSignal): Promise<ReportTarget> {
  const { task } = folder.task;
  if (task.category === 'url') return { category: 'url', url: task.target };
  const file = await stored(folder, note, signal);
  const filename = memberPath(task);
  if (filename === null) return { category: 'file', file };
  const human = `${filename} @ ${file.name}`;
  return {
    category: 'archive',
    filename,
    human,
    archive: file,
    file: await member(folder, filename, note, signal),
  };
}

/** The sample, of an archive the zip. */
async function stored(folder: AnalysisFolder, note: Note, signal: AbortSignal): Promise<FileReport> {
  const { task } = folder.task;
  const path = await folder.sample();
  if (path === null) {
    note('The sample is no longer stored: its hashes are those of the submission.');
    return asSubmitted(folder);
  }
  const file = await reportFile({ file: path, path: ARTIFACTS.sample, name: baseName(task.target) }, signal);
  if (task.sample !== null && task.sample.sha256 !== file.sha256) {
    note('The stored sample is not the submitted one: its SHA-256 differs.');
  }
  return file;
}

async function member(
  folder: AnalysisFolder,
  filename: string,
  note: Note,
  signal: AbortSignal,
): Promise<FileReport> {
  const called = { path: filename, name: baseName(filename) };
  const chunks = await sampleChunks(folder, signal);
  if (chunks !== null) return reportChunks(chunks, called, signal);
  note('The file that was run cannot be read from its archive: the hashes shown for it are the archive’s.');
  return { ...asSubmitted(folder), ...called };
}

function asSubmitted({ task: { task } }: AnalysisFolder): FileReport {
  const { sample } = task;
  return {
    name: baseName(task.target),
    path: ARTIFACTS.sample,
    size: sample?.fileSize ?? 0,
    crc32: sample?.crc32 ?? '',
    md5: sample?.md5 ?? '',
    sha1: sample?.sha1 ?? '',
    sha256: sample?.sha256 ?? '',
    sha512: sample?.sha512 ?? '',
    ssdeep: sample?.ssdeep ?? null,
    type: sample?.fileType ?? '',
    yara: [],
    urls: [],
  };
}

const baseName = (name: string): string => name.split(/[\\/]/).at(-1) ?? name;
