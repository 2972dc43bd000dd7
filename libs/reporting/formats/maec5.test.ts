import { describe, expect, jest, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import type { Report } from '#domain/report.js';
import { call, evidence } from '../../../test/support/evidence.js';
import { MAEC5_SCHEMA } from '../../../test/support/maec5-schema.js';
import { bareReport, hostileText, poison, rendered, sampleReport } from '../../../test/support/report.js';
import { maec5 } from './maec5.js';
import { uuid } from './maec5/uuid.js';

jest.setTimeout(60_000);

const ajv = new Ajv2020({ allErrors: true, strict: false });
addFormats.default(ajv);
const validate = ajv.compile(MAEC5_SCHEMA);

interface Package {
  readonly id: string;
  readonly maec_objects: readonly Thing[];
  readonly observable_objects: Readonly<Record<string, Thing>>;
  readonly relationships?: readonly Thing[];
}
type Thing = Readonly<Record<string, unknown>> & { readonly type: string };

async function packageOf(report: Report): Promise<Package> {
  return JSON.parse((await rendered(maec5, report)).toString()) as Package;
}

function errors(value: unknown): unknown[] {
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? ''}`);
}

/** Every reference with the type its name promises, null for any. */
function* references(value: unknown, key = ''): Generator<readonly [string, string]> {
  if (typeof value === 'string' && /_refs?$|^operating-system$|^host-vm$/.test(key)) yield [key, value];
  if (typeof value !== 'object' || value === null) return;
  for (const [name, each] of Object.entries(value)) {
    yield* references(each, Array.isArray(value) ? key : name);
  }
}

const TARGET: Readonly<Record<string, RegExp>> = {
  instance_object_refs: /^(?:file|url)$/,
  process_ref: /^process$/,
  parent_ref: /^process$/,
  child_refs: /^process$/,
  binary_ref: /^file$/,
  parent_directory_ref: /^directory$/,
  opened_connection_refs: /^network-traffic$/,
  network_traffic_refs: /^network-traffic$/,
  src_ref: /^ipv[46]-addr$/,
  dst_ref: /^ipv[46]-addr$/,
  resolves_to_refs: /^ipv[46]-addr$/,
  tool_refs: /^software$/,
  'operating-system': /^software$/,
  'host-vm': /^software$/,
  initiated_action_refs: /^malware-action$/,
  action_refs: /^malware-action$/,
  behavior_refs: /^behavior$/,
  source_ref: /^malware-instance$/,
  target_ref: /^malware-instance$/,
  input_object_refs: /^(?:file|domain-name)$/,
  output_object_refs: /^(?:file|network-traffic)$/,
};

/** What is wrong with the references of a package. */
function dangling({
  maec_objects: objects,
  observable_objects: observables,
  relationships,
}: Package): string[] {
  const types = new Map(Object.entries(observables).map(([key, { type }]) => [key, type]));
  for (const { id, type } of objects) types.set(String(id), type);
  return [...references([objects, Object.values(observables), relationships])]
    .filter(([key, value]) => TARGET[key]?.test(types.get(value) ?? '') !== true)
    .map(([key, value]) => `${key} ${value} → ${types.get(value) ?? 'nothing'}`);
}

const of = (all: readonly Thing[], type: string): Thing[] => all.filter((each) => each.type === type);

/** Facts that the processing modules vouch for the form of. */
const FORMED = ['md5', 'sha1', 'sha256', 'sha512', 'crc32', 'ssdeep', 'signatures', 'protocol'];

describe('MAEC 5.0', () => {
  test('a rich report gives a package that is valid and whose references are whole', async () => {
    const found = await packageOf(await sampleReport());
    expect(errors(found)).toEqual([]);
    expect(dangling(found)).toEqual([]);
  });

  test('it says what was run, what it did, and what was thought of it', async () => {
    const report = await sampleReport();
    const { maec_objects: objects, observable_objects: observables, relationships } = await packageOf(report);
    const [instance] = objects;
    expect(observables['0']).toMatchObject({
      type: 'file',
      name: 'invoice.sh',
      size: 1840,
      hashes: { MD5: '0'.repeat(32) },
    });
    expect(instance).toMatchObject({
      type: 'malware-instance',
      instance_object_refs: ['0'],
      analysis_metadata: [
        {
          is_automated: true,
          analysis_type: 'dynamic',
          conclusion: 'malicious',
          start_time: '2027-01-15T07:59:58.000Z',
          comments: expect.arrayContaining(['The trace was cut at 64 MiB; calls after that are missing.']),
        },
      ],
    });
    expect(instance?.['triggered_signatures']).toHaveLength(report.signatures.length);
    expect((instance?.['dynamic_features'] as { process_tree: unknown[] }).process_tree).toHaveLength(11);
    expect(of(objects, 'malware-action').map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'delete-file',
        'send-http-get-request',
        'send-http-post-request',
        'send-dns-query',
        'ptrace',
      ]),
    );
    const cron = of(objects, 'behavior').find(({ technique_refs: techniques }) =>
      JSON.stringify(techniques).includes('https://attack.mitre.org/techniques/T1053/003'),
    );
    expect(cron).toBeDefined();
    expect(relationships).toHaveLength(3);
    expect(of(Object.values(observables), 'network-traffic')).toHaveLength(5);
  });

  test('every action is in the tree or beside it, once', async () => {
    const { maec_objects: objects } = await packageOf(await sampleReport());
    const { process_tree: tree, action_refs: others } = objects[0]?.['dynamic_features'] as {
      process_tree: { initiated_action_refs?: string[] }[];
      action_refs: string[];
    };
    const placed = [...tree.flatMap(({ initiated_action_refs: refs = [] }) => refs), ...others];
    expect(placed.sort()).toEqual(
      of(objects, 'malware-action')
        .map(({ id }) => id)
        .sort(),
    );
  });

  test('a behavior points to the actions that prove it', async () => {
    const { maec_objects: objects } = await packageOf(await sampleReport());
    const proven = of(objects, 'behavior').filter(({ action_refs: refs }) => refs !== undefined);
    expect(proven.length).toBeGreaterThan(0);
  });

  test.each<readonly [string, (found: Package) => unknown, string]>([
    ['the prefix that Cuckoo gave actions', (p) => ({ ...p, maec_objects: [...p.maec_objects, { type: 'malware-action', id: `create-file--${uuid('x')}`, name: 'create-file' }] }), '/id: must match pattern'],
    ['a number that became text', (p) => change(p, 'file', { size: '1840' }), '/size: must be integer'],
    ['a port that is none', (p) => change(p, 'network-traffic', { dst_port: 65_536 }), '/dst_port: must be <= 65535'],
    ['an empty list', (p) => change(p, 'network-traffic', { protocols: [] }), '/protocols: must NOT have fewer than 1 items'],
    ['a misspelt property', (p) => change(p, 'file', { hash: {} }), 'must NOT have additional properties'],
    ['an address that is none', (p) => change(p, 'ipv4-addr', { value: '198.18.0' }), '/value: must match format "ipv4"'],
    ['another version', (p) => ({ ...p, schema_version: '4.1' }), '/schema_version: must be equal to constant'],
    ['no objects', (p) => ({ ...p, maec_objects: [] }), '/maec_objects: must NOT have fewer than 1 items'],
    ['a time without its zone', (p) => change(p, 'process', { created: '2027-01-15 08:00:00' }), '/created: must match pattern'],
  ])('the schema refuses %s', async (_what, spoil, message) => {
    const spoilt = errors(spoil(await packageOf(await sampleReport())));
    expect(spoilt.join('\n')).toContain(message);
  }); // prettier-ignore

  test('a reference to nothing is noticed', async () => {
    const found = await packageOf(await sampleReport());
    expect(dangling(change(found, 'process', { parent_ref: '0' }) as Package)).toEqual([
      'parent_ref 0 → file',
    ]);
  });

  test('a URL of which nothing is known is a package too', async () => {
    const found = await packageOf(bareReport());
    expect(errors(found)).toEqual([]);
    expect(dangling(found)).toEqual([]);
    expect(found.maec_objects).toHaveLength(1);
  });

  test('hostile text changes nothing of that', async () => {
    const base = await sampleReport();
    await fc.assert(
      fc.asyncProperty(hostileText, async (text) => {
        const found = await packageOf(poison(base, text, FORMED));
        expect(errors(found)).toEqual([]);
        expect(dangling(found)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test('the same report gives the same bytes, another one other ids', async () => {
    const report = await sampleReport();
    const first = await rendered(maec5, report);
    expect(await rendered(maec5, report)).toEqual(first);
    const other = await packageOf({ ...report, info: { ...report.info, id: 8 } });
    expect(other.id).not.toBe((JSON.parse(first.toString()) as Package).id);
  });

  test('ten thousand of everything are bounded, and what is left out is counted', async () => {
    const calls = Array.from({ length: 10_000 }, (_, i) => call('unlink', [`/tmp/${'x'.repeat(3000)}${i}`]));
    const base = evidence({ processes: [{ calls }, ...Array.from({ length: 1500 }, () => ({ command: 'y'.repeat(9000), parent: 1 }))] });
    const report = { ...bareReport(), ...base, signatures: [], malkoha: bareReport().malkoha };
    const found = await packageOf(report);
    expect(errors(found)).toEqual([]);
    expect(dangling(found)).toEqual([]);
    expect(JSON.stringify(found).length).toBeLessThan(12_000_000);
    expect(of(found.maec_objects, 'malware-action')).toHaveLength(500);
    const [{ comments } = { comments: [] }] = found.maec_objects[0]?.['analysis_metadata'] as { comments: string[] }[];
    expect(comments).toEqual(
      expect.arrayContaining([
        '9500 more traced calls are in report.json and not here.',
        '501 more processes are in report.json and not here.',
      ]),
    );
  }); // prettier-ignore
});

test('version 5 UUIDs are those of the standard', () => {
  // RFC 9562, appendix A.4
  expect(uuid('www.example.com', '6ba7b810-9dad-11d1-80b4-00c04fd430c8')).toBe(
    '2ed6657d-e927-568b-95e1-2665a8aea6a2',
  );
});

/** The package with properties of its first object of a type replaced. */
function change(found: Package, type: string, properties: object): unknown {
  const [key = '', object] =
    Object.entries(found.observable_objects).find(([, each]) => each.type === type) ?? [];
  return {
    ...found,
    observable_objects: { ...found.observable_objects, [key]: { ...object, ...properties } },
  };
}
