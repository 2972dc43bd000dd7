import type { Flow, Report } from '#domain/report.js';
import { timestamp } from '../../text.js';
import { callKey, chooseCalls, first, type ChosenCall } from '../maec/choose.js';
import { actionName, requestName } from '../maec/vocabulary.js';
import { element, textElement, type Element } from '../xml.js';
import { cut, objectReference, type Ids } from './ids.js';
import type { Objects } from './objects.js';

const FLOWS = 1000;
const REQUESTS = 1000;

function initiator(object: string): Element {
  return element('Action_Initiator', { type: 'Process' }, objectReference('Initiator_Object', object));
}

function callAction({ call, cid }: ChosenCall, by: string, id: string, ids: Ids): Element {
  const values = Object.entries(call.arguments);
  return element(
    'Action',
    {
      successful: call.return_value === '?' ? undefined : call.status === '',
      timestamp: timestamp(call.time),
      action_name: actionName(call).replaceAll('-', '_'),
      ordinal_position: cid + 1,
      id,
    },
    initiator(by),
    element(
      'Action_Implementation',
      { type: 'API_Call', id: ids.of('imp') },
      element(
        'API_Call',
        { apifunction_name: call.api, id: ids.of('api') },
        textElement('ReturnValue', cut(`${call.return_value} ${call.status}`.trimEnd())),
        ...values.map(([name, value], i) =>
          element(
            'APICall_Parameter',
            { ordinal_position: i + 1 },
            textElement('Name', name),
            textElement('Value', cut(value)),
          ),
        ),
      ),
    ),
  );
}

function flowAction(flow: Flow, by: string, ids: Ids): Element {
  return element(
    'Action',
    { id: ids.of('act') },
    initiator(by),
    element(
      'Action_Implementation',
      { type: 'Other', id: ids.of('imp') },
      element(
        'Network_Action_Attributes',
        {},
        textElement('Internal_Port', flow.sport),
        textElement('External_Port', flow.dport),
        textElement('Internal_IP_Address', flow.src),
        textElement('External_IP_Address', flow.dst),
        flow.host === undefined ? null : textElement('Host_Name', cut(flow.host)),
      ),
    ),
  );
}

export interface Actions {
  readonly list: readonly Element[];
  readonly ofCall: ReadonlyMap<string, string>;
}

export function makeActions(report: Report, objects: Objects, ids: Ids, notes: string[]): Actions {
  const by = (procid: number | undefined): string => objects.processes.get(procid ?? -1) ?? objects.subject;
  const { calls, note } = chooseCalls(report);
  if (note !== null) notes.push(note);
  const ofCall = new Map<string, string>();
  const list = calls.map((chosen) => {
    const { procid } = chosen.process;
    const id = ids.of('act');
    ofCall.set(callKey(procid, chosen.cid), id);
    return callAction(chosen, by(procid), id, ids);
  });
  const { udp = [], tcp = [], http = [] } = report.network ?? {};
  for (const flow of first([...udp, ...tcp], FLOWS, 'flows', notes))
    list.push(flowAction(flow, by(flow.procid), ids));
  for (const request of first(http, REQUESTS, 'web requests', notes)) {
    const uri = objects.uris.get(request.uri);
    const name = requestName(request.method).replaceAll('-', '_');
    list.push(
      element(
        'Action',
        { action_name: name, id: ids.of('act') },
        initiator(by(request.procid)),
        uri === undefined ? null : element('Objects', {}, objectReference('Object_Reference', uri)),
      ),
    );
  }
  return { list, ofCall };
}
