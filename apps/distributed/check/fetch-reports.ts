import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { reason, SandboxError } from '#domain/errors.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import { mend } from './mend.js';
import type { Patient, Tell } from './patient.js';
import { duration } from './words.js';

/** Bytes of a report.json that is looked into: that of a file which does nothing is far smaller. */
const LOOKED_INTO = 16 * 1024 * 1024;

/** Each wanted one, as for a task: its length and its JSON are checked by the client. */
export async function fetchReports(
  patient: Patient,
  id: number,
  folder: string,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { formats, pcap } = patient.options;
  for (const format of [...formats, ...(pcap ? ['pcap'] : [])])
    tell(
      format === 'pcap' ? 'capture' : `report ${format}`,
      await fetchOne(patient, id, format, folder, signal),
    );
}

async function fetchOne(
  { client }: Patient,
  id: number,
  format: string,
  folder: string,
  signal: AbortSignal,
): Promise<Verdict> {
  const path = join(folder, `fetched.${format}`);
  const began = performance.now();
  try {
    const { size } = await client.fetch(id, format, path, signal);
    const found = `${size} bytes, after ${duration(performance.now() - began)}`;
    if (size === 0) return fail(`it is empty`, `the log of reporting on the node says why it wrote nothing`);
    if (format === 'json' && size <= LOOKED_INTO) return (await ofAnother(path, id)) ?? ok(found);
    return ok(found);
  } catch (error) {
    signal.throwIfAborted();
    const missing = error instanceof SandboxError && error.code === 'REPORT_MISSING';
    if (missing && format === 'pcap')
      return warn(
        'it has none of this analysis: tasks are finished without',
        switchOn(format, client.dialect),
      );
    return fail(reason(error), missing ? switchOn(format, client.dialect) : mend(error));
  }
}

const report = z.object({ info: z.object({ id: z.coerce.number() }) });

/** Null: it is of task `id`. */
async function ofAnother(path: string, id: number): Promise<Verdict | null> {
  const found = report.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!found.success)
    return warn(
      'it is JSON, and has no info.id: no report as Cuckoo makes them',
      'is [jsondump] of reporting.conf on the node the usual one?',
    );
  if (found.data.info.id === id) return null;
  return fail(
    `it is of task ${found.data.info.id}, not of ${id}`,
    'the node mixes up its tasks: was its database made anew over old analyses? Empty storage/analyses there, too',
  );
}

/** Where Cuckoo and CAPE have the module of each. */
const MODULES: Readonly<Record<string, string>> = {
  json: '[jsondump] enabled = yes in reporting.conf',
  html: '[singlefile] enabled = yes and html = yes in reporting.conf (Cuckoo 1 and CAPE: [reporthtml] enabled = yes)',
  pdf: '[singlefile] enabled = yes and pdf = yes in reporting.conf (CAPE: [reportpdf])',
  maec: '[maec41] enabled = yes in reporting.conf',
  pcap: '[sniffer] enabled = yes in auxiliary.conf, and a tcpdump its user may run',
};

export function switchOn(format: string, dialect: string): string {
  const leave =
    format === 'pcap' ? 'or set pcap = no in distributed.conf' : `or take ${format} out of report_formats`;
  if (dialect === 'malkoha' && format !== 'pcap')
    return `Malkoha writes json, html, maec, maec5, metadata and pdf; ${leave} in distributed.conf`;
  const module = MODULES[format] ?? `the module that writes ${format} in reporting.conf`;
  return `on the node: ${module}, then start it again; ${leave}`;
}
