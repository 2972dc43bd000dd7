import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { Report } from '#domain/report.js';
import type { Assets, ReportFormat } from './format.js';
import { html } from './formats/html.js';
import { json } from './formats/json.js';

export const FORMATS = { json, html } as const satisfies Record<string, ReportFormat>;

export type FormatName = keyof typeof FORMATS;

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
): Promise<readonly string[]> {
  await mkdir(dir, { recursive: true });
  const paths: string[] = [];
  for (const name of names) {
    const format = FORMATS[name];
    const path = join(dir, `report.${format.extension}`);
    await writeFormat(path, format.render(report, assets), signal);
    paths.push(path);
  }
  return paths;
}
