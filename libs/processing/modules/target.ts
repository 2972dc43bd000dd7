import { ARTIFACTS } from '#domain/artifacts.js';
import type { FileReport, ReportTarget } from '#domain/report.js';
import type { AnalysisFolder } from '../folder.js';
import { reportFile } from '../file-report.js';
import type { Note } from '../processing.js';

/** What was analysed. The stored file is hashed again: a report must not vouch for bytes nobody looked at. */
export async function target(folder: AnalysisFolder, note: Note, signal: AbortSignal): Promise<ReportTarget> {
  const { task } = folder.task;
  if (task.category === 'url') return { category: 'url', url: task.target };
  const path = await folder.sample();
  if (path === null) {
    note('The sample is no longer stored: its hashes are those of the submission.');
    return { category: 'file', file: asSubmitted(folder) };
  }
  const file = await reportFile({ file: path, path: ARTIFACTS.sample, name: baseName(task.target) }, signal);
  if (task.sample !== null && task.sample.sha256 !== file.sha256) {
    note('The stored sample is not the submitted one: its SHA-256 differs.');
  }
  return { category: 'file', file };
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
