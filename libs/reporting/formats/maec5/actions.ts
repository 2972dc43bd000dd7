import type { Report } from '#domain/report.js';
import { clip, timestamp } from '../../text.js';
import { callKey, chooseCalls, type ChosenCall } from '../maec/choose.js';
import { actionName, pathsOf } from '../maec/vocabulary.js';
import { append, nonEmpty, type PackageBuilder } from './package.js';

/** Code units of one argument. */
const ARGUMENT = 1024;

/** Action ids by process instance, and by call for the signatures that point to it. */
export interface Actions {
  readonly ofProcess: ReadonlyMap<number, readonly string[]>;
  readonly ofCall: ReadonlyMap<string, string>;
}

/** One malware-action for each chosen call. */
export function addActions(report: Report, to: PackageBuilder): Actions {
  const ofProcess = new Map<number, string[]>();
  const ofCall = new Map<string, string>();
  const { calls, note } = chooseCalls(report);
  for (const chosen of calls) {
    const { procid } = chosen.process;
    const key = callKey(procid, chosen.cid);
    const id = to.identifier('malware-action', key);
    add(chosen, id, to);
    ofCall.set(key, id);
    append(ofProcess, procid, id);
  }
  if (note !== null) to.notes.push(note);
  return { ofProcess, ofCall };
}

function add({ call }: ChosenCall, id: string, to: PackageBuilder): void {
  const { input, output } = pathsOf(call);
  to.objects.push({
    type: 'malware-action',
    id,
    name: actionName(call),
    // "?" is a call that never returned: nobody knows.
    is_successful: call.return_value === '?' ? undefined : call.status === '',
    timestamp: timestamp(call.time),
    input_object_refs: input === undefined ? undefined : [to.observables.path(input)],
    output_object_refs: output === undefined ? undefined : [to.observables.path(output)],
    api_call: {
      function_name: call.api,
      return_value: clip(call.return_value, ARGUMENT),
      parameters: parameters(call.arguments),
    },
  });
}

/** Keys of a MAEC dictionary have at least three characters, so p0 is arg0 here. */
function parameters(args: Readonly<Record<string, string>>): Record<string, string> | undefined {
  const entries = Object.values(args).map((value, i) => [`arg${i}`, clip(value, ARGUMENT)] as const);
  return nonEmpty(entries) && Object.fromEntries(entries);
}
