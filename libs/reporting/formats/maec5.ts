import type { Report, Score } from '#domain/report.js';
import type { Piece, ReportFormat } from '../format.js';
import { clip, timestamp } from '../text.js';
import { jsonPieces } from './json.js';
import { first } from './maec/choose.js';
import { addActions } from './maec5/actions.js';
import { addBehaviors, triggered } from './maec5/behaviors.js';
import { addDropped, addTarget } from './maec5/instances.js';
import { addNetwork } from './maec5/network.js';
import { software } from './maec5/observables.js';
import { nonEmpty, PackageBuilder } from './maec5/package.js';
import { addProcesses } from './maec5/processes.js';

const STRINGS = 500;
const NOTES = 100;

/** In MAEC's words. No sign of malice is no proof of harmlessness. */
const CONCLUSIONS = {
  'no sign of malice': 'indeterminate',
  suspicious: 'suspicious',
  'likely malicious': 'suspicious',
  malicious: 'malicious',
} as const satisfies Record<Score['label'], string>;

/** What tells this analysis from every other. */
function seed({ info, target }: Report): string {
  const what = target.category === 'url' ? target.url : target.file.sha256;
  return JSON.stringify([info.id, info.added, info.started, info.ended, what]);
}

function analysis(report: Report, to: PackageBuilder): object {
  const { info, malkoha } = report;
  const { machine, platform } = info;
  const system = platform === null ? undefined : to.observables.put(software(platform));
  const host = 'name' in machine ? to.observables.put(software(machine.manager)) : undefined;
  const environment = {
    ...(system !== undefined && { 'operating-system': system }),
    ...(host !== undefined && { 'host-vm': host }),
  };
  const { outcome, score } = malkoha;
  return {
    is_automated: true,
    start_time: timestamp(info.started),
    end_time: timestamp(info.ended),
    analysis_type: 'dynamic',
    comments: nonEmpty(to.notes.slice(0, NOTES).map((note) => clip(note, 1024))),
    tool_refs: [to.observables.put(software('Malkoha'))],
    analysis_environment: Object.keys(environment).length > 0 ? environment : undefined,
    description: `Task ${info.id}: ${score.label}, score ${score.value.toFixed(1)} of 10. Run ${outcome.status.replace('_', ' ')}.`,
    conclusion: CONCLUSIONS[score.label],
  };
}

/** @see https://maecproject.github.io/documentation/maec5-docs/ and the JSON schemas of MAECProject/schemas */
function makePackage(report: Report): object {
  const to = new PackageBuilder(seed(report));
  to.notes.push(...report.malkoha.notes);
  const target = addTarget(report, to);
  const id = to.identifier('malware-instance', 'target');
  const actions = addActions(report, to);
  const traffic = addNetwork(report, to);
  const { tree, otherActions } = addProcesses(report, actions, traffic, to);
  const behaviors = addBehaviors(report, actions, to);
  addDropped(report, id, to);
  const strings = first(report.strings ?? [], STRINGS, 'strings', to.notes);
  const features = {
    behavior_refs: nonEmpty(behaviors),
    action_refs: nonEmpty(otherActions),
    network_traffic_refs: nonEmpty(traffic.refs),
    process_tree: nonEmpty(tree),
  };
  const instance = {
    type: 'malware-instance',
    id,
    instance_object_refs: [target],
    dynamic_features: Object.values(features).some((value) => value !== undefined) ? features : undefined,
    static_features: strings.length > 0 ? { strings } : undefined,
    analysis_metadata: [analysis(report, to)],
    triggered_signatures: triggered(report),
  };
  return {
    type: 'package',
    id: to.id,
    schema_version: '5.0',
    maec_objects: [instance, ...to.objects],
    observable_objects: to.observables.toDictionary(),
    relationships: nonEmpty(to.relationships),
  };
}

function* render(report: Report): Generator<Piece> {
  yield* jsonPieces(makePackage(report));
}

/**
 * MAEC 5.0. Its ids are version 5 UUIDs where the specification wants version 4: the same report must give the same
 * bytes.
 */
export const maec5: ReportFormat = { extension: 'maec-5.0.json', render };
