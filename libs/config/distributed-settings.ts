import { resolve } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import {
  distributedSettings,
  DATABASE,
  DATABASE_WORDS,
  formats,
  FORMATS_WORDS,
  QUEUE,
  QUEUE_WORDS,
  type DistributedSettings,
} from './distributed-conf.js';
import { Findings, told } from './findings.js';
import { deepFreeze } from './freeze.js';
import type { HomePaths } from './home.js';
import type { Variables } from './ini.js';
import { layersOf, readTexts } from './layers.js';

/** Options of `malkoha distributed`: those of Cuckoo's utils/dist.py, and --queue. Relative paths begin at the working folder. */
export interface DistributedOptions {
  readonly db?: string | undefined;
  readonly 'samples-directory'?: string | undefined;
  readonly 'reports-directory'?: string | undefined;
  readonly 'report-formats'?: string | undefined;
  readonly 'uptime-logfile'?: string | undefined;
  readonly queue?: string | undefined;
}

/**
 * Reads conf/distributed.conf, in CAPE's layers, over the defaults. Its relative paths begin at `home.distributed.dir`. The
 * result is frozen.
 *
 * @throws CONFIG_INVALID
 */
export async function loadDistributed(
  home: HomePaths,
  variables?: Variables,
): Promise<{ settings: DistributedSettings; warnings: readonly string[] }> {
  const findings = new Findings();
  const source = layersOf(home.conf, 'distributed', await readTexts(home.conf), variables);
  const found = distributedSettings(source, findings);
  findings.throwProblems();
  const at = (path: string): string => (path === '' ? '' : resolve(home.distributed.dir, path));
  const settings: DistributedSettings = {
    ...found,
    samplesDirectory: at(found.samplesDirectory),
    reportsDirectory: at(found.reportsDirectory),
    uptimeLogfile: found.uptimeLogfile === null ? null : at(found.uptimeLogfile),
  };
  return { settings: deepFreeze(settings), warnings: findings.notes.map(told) };
}

/** The settings with what the command line says. @throws USAGE, also when a directory or the formats are named nowhere */
export function withOptions(
  settings: DistributedSettings,
  options: DistributedOptions,
  home: HomePaths,
): DistributedSettings {
  const { db, queue } = options;
  const samples = options['samples-directory'];
  const reports = options['reports-directory'];
  const uptime = options['uptime-logfile'];
  const wanted = options['report-formats'];
  const all: DistributedSettings = {
    ...settings,
    ...(db !== undefined && { db: databaseOf(db) }),
    ...(queue !== undefined && { queue: queueOf(queue) }),
    ...(samples !== undefined && samples !== '' && { samplesDirectory: resolve(samples) }),
    ...(reports !== undefined && reports !== '' && { reportsDirectory: resolve(reports) }),
    ...(uptime !== undefined && { uptimeLogfile: uptime === '' ? null : resolve(uptime) }),
    ...(wanted !== undefined && { reportFormats: formatsOf(wanted) }),
  };
  mustBeComplete(all, home);
  if (all.samplesDirectory === all.reportsDirectory)
    throw new SandboxError(
      'USAGE',
      `distributed: samples and reports are both to be in ${all.samplesDirectory}; each needs a folder of its own`,
    );
  return deepFreeze(all);
}

/** Keys without a default that nobody has set. */
export function missingKeys({
  samplesDirectory,
  reportsDirectory,
  reportFormats,
}: DistributedSettings): readonly (keyof typeof EXAMPLES)[] {
  return [
    ...(reportFormats.length === 0 ? (['report_formats'] as const) : []),
    ...(samplesDirectory === '' ? (['samples_directory'] as const) : []),
    ...(reportsDirectory === '' ? (['reports_directory'] as const) : []),
  ];
}

const EXAMPLES = {
  report_formats: '--report-formats json,html',
  samples_directory: '--samples-directory DIR',
  reports_directory: '--reports-directory DIR',
};

function mustBeComplete(settings: DistributedSettings, home: HomePaths): void {
  const keys = missingKeys(settings);
  if (keys.length === 0) return;
  const options = keys.map((key) => EXAMPLES[key]).join(' ');
  throw new SandboxError(
    'USAGE',
    `distributed: ${words(keys)} ${keys.length === 1 ? 'is' : 'are'} needed: give ${options}, or set ` +
      `${keys.length === 1 ? 'it' : 'them'} in [distributed] of ${home.conf}/distributed.conf`,
  );
}

/** A relative path of SQLite begins at the working folder, as it did with Cuckoo's. */
function databaseOf(text: string): string {
  if (!DATABASE.test(text)) throw new SandboxError('USAGE', `distributed: --db takes ${DATABASE_WORDS}`);
  const file = /^sqlite(?:\+\w+)?:\/\/\/(.+)$/s.exec(text)?.[1];
  return file === undefined ? text : `sqlite:///${resolve(file)}`;
}

/** Empty: the private Redis of the home folder. */
function queueOf(text: string): string {
  if (text === '' || QUEUE.test(text)) return text;
  throw new SandboxError('USAGE', `distributed: --queue takes ${QUEUE_WORDS}`);
}

function formatsOf(text: string): readonly string[] {
  const found = formats(text);
  if (found !== undefined) return found;
  throw new SandboxError(
    'USAGE',
    `distributed: --report-formats takes ${FORMATS_WORDS}, not ${JSON.stringify(text)}`,
  );
}

/** `a`, `a and b`, `a, b and c` */
export function words(all: readonly string[]): string {
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1) ?? ''}`;
}
