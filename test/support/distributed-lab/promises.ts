import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from '#domain/report.js';
import type { Intake } from './intake.js';
import { told, type Move } from './moves.js';
import type { Kind, Submission } from './submissions.js';

const ENDS: readonly string[] = ['finished', 'failed'];

/** Tasks that have no terminal state, more than one, one that was left again, or another than they should. */
export function wrongEnds(
  moves: ReadonlyMap<number, readonly Move[]>,
  accepted: ReadonlyMap<number, Submission>,
): readonly string[] {
  return [...accepted].flatMap(([task, { kind }]) => {
    const of = moves.get(task) ?? [];
    return endedWell(of, kind) ? [] : [`task ${task} (${kind}): ${told(of)}`];
  });
}

function endedWell(moves: readonly Move[], kind: Kind): boolean {
  const states: string[] = moves.map(({ state }) => state);
  const ends = states.filter((state) => ENDS.includes(state));
  const last = states.at(-1) ?? '';
  // Its deletion may have come after its end.
  if (kind === 'deleted') return ends.length <= 1 && last === 'deleted';
  const wanted = kind === 'crash' ? 'failed' : 'finished';
  const why = moves.at(-1)?.reason ?? '';
  return ends.length === 1 && last === wanted && (last === 'finished' || why !== '');
}

/**
 * What came in more than once, counted on the nodes: by the mark, and by what the client submitted. A node that lost
 * everything took what it had with it: that may have come in once more, elsewhere or there.
 */
export function doubles(homes: readonly (readonly Intake[])[], lost: readonly (readonly Intake[])[]) {
  const count = (of: readonly Intake[], key: 'owner' | 'custom') => {
    const times = new Map<string, number>();
    for (const taken of of) times.set(taken[key] ?? '', (times.get(taken[key] ?? '') ?? 0) + 1);
    return [...times].filter(([, n]) => n > 1).map(([what, n]) => `${what}: ${n} times`);
  };
  return [
    ...count(homes.flat(), 'owner'),
    ...count(homes.flat(), 'custom'),
    ...lost.flatMap((home) => [...count(home, 'owner'), ...count(home, 'custom')]),
  ];
}

/** What the table says of a report. */
export interface ReportRecord {
  readonly format: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Reported {
  readonly task: number;
  readonly what: Submission | undefined;
}

/** What is wrong with the reports of a finished task, as they are in its folder. */
export async function wrongReports(
  folder: string,
  { task, what }: Reported,
  records: readonly ReportRecord[],
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const formats = records.map(({ format }) => format).toSorted();
  if (formats.join() !== 'html,json,pcap') wrong.push(`task ${task} has ${formats.join()}`);
  for (const { format, size, sha256 } of records) {
    const name = format === 'pcap' ? 'dump.pcap' : `report.${format}`;
    const bytes = await readFile(join(folder, name)).catch(() => Buffer.alloc(0));
    const sum = createHash('sha256').update(bytes).digest('hex');
    if (bytes.length !== size || sum !== sha256)
      wrong.push(`task ${task}: ${name} is not what the table says`);
    if (format !== 'json') continue;
    const { target, info } = JSON.parse(bytes.toString('utf8')) as Report;
    const analysed = target.category === 'url' ? target.url : target.file.name;
    if (analysed !== what?.target || info.custom !== what.custom)
      wrong.push(`task ${task} has the report of ${analysed} (${info.custom ?? 'nobody'})`);
  }
  return wrong;
}
