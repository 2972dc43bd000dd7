import { iocMark } from '../marks.js';
import type { CodeSignature } from '../signature.js';
import { startedFiles } from './download-and-execute.js';

export default {
  name: 'executes_written_file',
  description: 'Runs a file that was written during the run',
  severity: 2,
  ttp: ['T1059.004'],
  match(evidence) {
    const { summary } = evidence.behavior ?? {};
    const written = new Set([
      ...(summary?.file_written ?? []),
      ...(summary?.file_created ?? []),
      ...(summary?.file_moved ?? []).map(([, to]) => to),
    ]);
    return [...startedFiles(evidence).keys()]
      .filter((path) => written.has(path))
      .map((path) => iocMark('file', path));
  },
} satisfies CodeSignature;
