import { callMark, iocMark } from '../marks.js';
import { baseName, processes, scriptOf, words } from '../processes.js';
import type { CodeSignature } from '../signature.js';

export default {
  name: 'deletes_itself',
  description: 'Deletes the file it was started from',
  severity: 3,
  ttp: ['T1070.004'],
  apis: ['unlink', 'unlinkat'],
  match(evidence, calls) {
    const deleted = new Set(evidence.behavior?.summary.file_deleted ?? []);
    const target = evidence.target.category === 'url' ? null : evidence.target.file.name;
    const started = processes(evidence).flatMap((process) => {
      const script = scriptOf(process);
      // The first process of a run is how the sample was started: the sample may be any of its arguments.
      const sample =
        process.parent_procid === null
          ? words(process.command_line).filter((word) => target !== null && baseName(word) === target)
          : [];
      return [process.process_path, script, ...sample].filter((path) => path !== null);
    });
    const own = new Set(started.filter((path) => deleted.has(path)));
    const proof = calls.filter(
      ({ call }) => call.status === '' && Object.values(call.arguments).some((argument) => own.has(argument)),
    );
    return [...[...own].map((path) => iocMark('file', path)), ...proof.map(callMark)];
  },
} satisfies CodeSignature;
