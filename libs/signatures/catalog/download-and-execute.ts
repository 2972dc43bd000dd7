import type { Evidence, GenericProcess } from '#domain/report.js';
import { iocMark } from '../marks.js';
import { DOWNLOADERS, processes, scriptOf } from '../processes.js';
import type { CodeSignature } from '../signature.js';

/** Processes that talked to the network, by what they called or by what was captured and could be told apart. */
function talkers(evidence: Evidence): ReadonlySet<number> {
  const { network, behavior } = evidence;
  const captured = [...(network?.http ?? []), ...(network?.tls ?? []), ...(network?.tcp ?? [])];
  const called = (behavior?.generic ?? []).filter(
    ({ summary, process_name }) => summary.connects_ip !== undefined || DOWNLOADERS.has(process_name),
  );
  return new Set([...captured.flatMap(({ pid }) => pid ?? []), ...called.map(({ pid }) => pid)]);
}

/** The path of a script named relatively: the interpreter has opened it. */
function resolved(script: string, opened: readonly string[]): string | null {
  if (script.startsWith('/')) return script;
  const ending = `/${script.replace(/^(?:\.\/)+/, '')}`;
  return opened.find((path) => path.endsWith(ending)) ?? null;
}

/** What was started as a program or given to an interpreter as a script, and the command line that did. */
export function startedFiles(evidence: Evidence): ReadonlyMap<string, string> {
  const started = new Map((evidence.behavior?.summary.file_executed ?? []).map((path) => [path, path]));
  const opened = new Map(
    (evidence.behavior?.generic ?? []).map(({ pid, summary }) => [pid, summary.file_opened]),
  );
  for (const process of processes(evidence)) {
    const script = scriptOf(process);
    const path = script === null ? null : resolved(script, opened.get(process.pid) ?? []);
    for (const each of [process.process_path, path])
      if (each !== null) started.set(each, process.command_line);
  }
  return started;
}

const writtenBy = ({ summary }: GenericProcess): readonly string[] => [
  ...(summary.file_written ?? []),
  ...(summary.file_created ?? []),
  ...(summary.file_moved ?? []).map(([, to]) => to),
];

export default {
  name: 'download_and_execute',
  description: 'Runs a file that a downloading process wrote',
  severity: 4,
  ttp: ['T1105', 'T1059.004'],
  match(evidence) {
    const online = talkers(evidence);
    const started = startedFiles(evidence);
    // A download may be written under one name and renamed before it is run.
    const renamed = new Map(evidence.behavior?.summary.file_moved ?? []);
    return (evidence.behavior?.generic ?? [])
      .filter(({ pid }) => online.has(pid))
      .flatMap((process) =>
        writtenBy(process)
          .flatMap((path) => [path, renamed.get(path) ?? path])
          .filter((path) => started.has(path))
          .map((path) => {
            const how = started.get(path) ?? path;
            return iocMark(
              'file',
              path,
              `written by ${process.process_name} (${process.pid}), run as ${how.slice(0, 200)}`,
            );
          }),
      );
  },
} satisfies CodeSignature;
