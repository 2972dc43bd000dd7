import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { Report } from '#domain/report.js';
import type { Assets, ReportFormat } from './format.js';
import { html } from './formats/html.js';
import { json, jsonFormat, type JsonOptions } from './formats/json.js';
import { maec1 } from './formats/maec1.js';
import { maec5 } from './formats/maec5.js';
import { metadataXml } from './formats/metadata.js';
import { pdf } from './formats/pdf.js';

/** By the names that clients ask for them with. The first two are the report; the others say it again for other readers. */
export const FORMATS = {
  json,
  html,
  maec: maec1,
  maec5,
  metadata: metadataXml,
  pdf,
} as const satisfies Record<string, ReportFormat>;

export type FormatName = keyof typeof FORMATS;

const REPORT: readonly FormatName[] = ['json', 'html'];
const EXTRA = (Object.keys(FORMATS) as FormatName[]).filter((name) => !REPORT.includes(name));

/** Bytes gathered before they are written. */
const BATCH = 256 * 1024;

async function writeFormat(
  path: string,
  pieces: ReturnType<ReportFormat['render']>,
  signal: AbortSignal,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    {
      await using file = await open(temporary, 'wx', 0o644);
      let batch: Uint8Array[] = [];
      let size = 0;
      for await (const piece of pieces) {
        signal.throwIfAborted();
        const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
        batch.push(bytes);
        size += bytes.length;
        if (size < BATCH) continue;
        await file.appendFile(Buffer.concat(batch));
        batch = [];
        size = 0;
      }
      await file.appendFile(Buffer.concat(batch));
      // On disk before it gets its name: a report is either whole or not there, also after a power cut.
      await file.sync();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    signal.throwIfAborted();
    throw new SandboxError('REPORTING_FAILED', `${path} could not be written`, { cause });
  }
}

/**
 * Writes `report.<extension>` for each format into `dir` and returns their paths. An older report is replaced at once,
 * never seen half-written.
 *
 * @throws SandboxError REPORTING_FAILED; formats before the failing one are written
 */
export async function writeReports(
  report: Report,
  dir: string,
  names: readonly FormatName[],
  assets: Assets,
  signal: AbortSignal,
  formats: Readonly<Record<FormatName, ReportFormat>> = FORMATS,
): Promise<readonly string[]> {
  await mkdir(dir, { recursive: true });
  const paths: string[] = [];
  for (const name of names) {
    const format = formats[name];
    const path = join(dir, `report.${format.extension}`);
    await writeFormat(path, format.render(report, assets), signal);
    paths.push(path);
  }
  return paths;
}

export interface WriteTo {
  readonly dir: string;
  readonly onFailure: (file: string, error: unknown) => void;
  /** What report.json looks like; else as Cuckoo's by default. */
  readonly json?: JsonOptions;
}

/**
 * Writes every format. That one of the extra ones cannot be written costs it alone: `onFailure` is told its file.
 *
 * @throws SandboxError REPORTING_FAILED when report.json or report.html could not be written, or the reason of `signal`
 */
export async function writeAllReports(
  report: Report,
  to: WriteTo,
  assets: Assets,
  signal: AbortSignal,
): Promise<void> {
  const formats = to.json === undefined ? FORMATS : { ...FORMATS, json: jsonFormat(to.json) };
  await writeReports(report, to.dir, REPORT, assets, signal, formats);
  for (const name of EXTRA) {
    try {
      await writeReports(report, to.dir, [name], assets, signal);
    } catch (error) {
      signal.throwIfAborted();
      to.onFailure(`report.${FORMATS[name].extension}`, error);
    }
  }
}
