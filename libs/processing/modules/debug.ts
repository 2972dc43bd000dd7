import { ARTIFACTS } from '#domain/artifacts.js';
import type { ProcessingModule } from '../processing.js';
import { chunksOf, linesOf } from '../reading.js';
import type { AnalysisFolder } from '../folder.js';

/** Of each log. The guest writes one of them. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
const MAX_LINES = 10_000;
const MAX_LINE = 4096;

/** The logs of both sides, and what went wrong. */
export const debug: ProcessingModule<'debug'> = {
  section: 'debug',
  needs: [],
  async run(folder, note, signal) {
    const log = await lines(folder, ARTIFACTS.analysisLog, signal);
    const cuckoo = await lines(folder, ARTIFACTS.hostLog, signal);
    for (const [name, { cut }] of [['analysis.log', log], ['cuckoo.log', cuckoo]] as const) {
      if (cut) note(`Only the first ${MAX_LINES} lines of ${name} are in the report.`);
    } // prettier-ignore
    const { outcome } = folder.task;
    const failure = outcome.status === 'failed' ? [outcome.reason] : [];
    const errors = [...failure, ...cuckoo.lines.flatMap(errorOf)];
    return { log: log.lines, cuckoo: cuckoo.lines, action: [], errors: [...new Set(errors)] };
  },
};

async function lines(
  folder: AnalysisFolder,
  name: string,
  signal: AbortSignal,
): Promise<{ lines: string[]; cut: boolean }> {
  const kept: string[] = [];
  for await (const line of linesOf(chunksOf(folder.path(name), signal, MAX_LOG_BYTES))) {
    if (kept.length >= MAX_LINES) return { lines: kept, cut: true };
    kept.push(line.replace(/\r$/, '').slice(0, MAX_LINE));
  }
  return { lines: kept, cut: false };
}

/** The message of a JSON log line at level error or above. */
function errorOf(line: string): string[] {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('level' in value)) return [];
    if (!['error', 'critical', 'fatal'].includes(String(value.level).toLowerCase())) return [];
    const message = 'message' in value ? value.message : 'msg' in value ? value.msg : '';
    return typeof message === 'string' && message !== '' ? [message] : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
