import type { Report, SignatureMatch } from '#domain/report.js';
import type { ReportFormat } from '../format.js';
import { timestamp } from '../text.js';
import { callKey } from './maec/choose.js';
import { makeActions, type Actions } from './maec1/actions.js';
import { cut, Ids, objectReference } from './maec1/ids.js';
import { makeObjects } from './maec1/objects.js';
import { element, listElement, textElement, xmlDocument, type Element } from './xml.js';

const NOTES = 100;

function describeWith(...texts: readonly string[]): Element {
  return element('Description', {}, ...texts.map((text) => textElement('Text', cut(text))));
}

function behavior(match: SignatureMatch, { ofCall }: Actions, tool: string, ids: Ids): Element {
  const techniques = Object.entries(match.ttp).map(([id, { short }]) => `ATT&CK ${id}: ${short}`);
  const proof = match.marks.flatMap((mark) => {
    const id = mark.type === 'call' ? ofCall.get(callKey(mark.procid, mark.cid)) : undefined;
    return id === undefined ? [] : [element('Action_Reference', { type: 'Action', action_id: id })];
  });
  return element(
    'Behavior',
    { id: ids.of('bhv') },
    describeWith(`${match.name}: ${match.description}`, ...techniques),
    element('Discovery_Method', { method: 'Dynamic Analysis', tool_id: tool }),
    listElement('Actions', proof),
  );
}

function analysis(
  report: Report,
  subject: string,
  tool: string,
  ids: Ids,
  notes: readonly string[],
): Element {
  const { info, malkoha } = report;
  const ended = timestamp(info.ended);
  return element(
    'Analysis',
    {
      start_datetime: timestamp(info.started),
      lastupdate_datetime: ended,
      id: ids.of('ana'),
      complete_datetime: ended,
      analysis_method: 'Dynamic',
    },
    element('Subject', {}, objectReference('Object_Reference', subject)),
    describeWith(`${malkoha.score.label}, score ${malkoha.score.value.toFixed(1)} of 10`),
    element('Tools_Used', {}, element('Tool', { id: tool }, textElement('Name', 'Malkoha'))),
    listElement(
      'Notes',
      notes.slice(0, NOTES).map((note) => textElement('Note', cut(note))),
    ),
  );
}

/**
 * A MAEC 1.1 bundle, the file that Cuckoo 1.x served under the name `maec`: analysis, behaviors, actions, object pool.
 * The order of elements is that of the schema, told from the classes that were generated from it.
 *
 * @see https://github.com/cuckoosandbox/cuckoo, lib/maec/maec11.py and modules/reporting/maec11.py before 2.0
 */
function bundle(report: Report): Element {
  const ids = new Ids(report);
  const notes = [...report.malkoha.notes];
  const tool = ids.of('tol');
  const objects = makeObjects(report, ids, notes);
  const actions = makeActions(report, objects, ids, notes);
  const behaviors = report.signatures.map((match) => behavior(match, actions, tool, ids));
  return element(
    'MAEC_Bundle',
    {
      xmlns: 'http://maec.mitre.org/XMLSchema/maec-core-1',
      'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
      'xsi:schemaLocation': 'http://maec.mitre.org/XMLSchema/maec-core-1 file:MAEC_v1.1.xsd',
      id: ids.of('bnd'),
      schema_version: '1.1',
    },
    element('Analyses', {}, analysis(report, objects.subject, tool, ids, notes)),
    listElement('Behaviors', behaviors),
    listElement('Actions', actions.list),
    element('Pools', {}, element('Object_Pool', {}, ...objects.pool)),
  );
}

export const maec1: ReportFormat = {
  extension: 'maec-1.1.xml',
  render: (report) => xmlDocument(bundle(report), 'MAEC 1.1 malware analysis report, made by Malkoha'),
};
