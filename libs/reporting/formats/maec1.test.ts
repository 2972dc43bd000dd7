import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { call, evidence } from '../../../test/support/evidence.js';
import { bareReport, hostileText, poison, rendered, sampleReport } from '../../../test/support/report.js';
import { validator } from '../../../test/support/xml.js';
import { maec1 } from './maec1.js';

jest.setTimeout(60_000);

const NAMESPACE = { m: 'http://maec.mitre.org/XMLSchema/maec-core-1' };

describe('MAEC 1.1', () => {
  let schema: Awaited<ReturnType<typeof validator>>;
  beforeAll(async () => void (schema = await validator('./maec-1.1.xsd')));
  afterAll(() => schema.dispose());

  /** The values an XPath finds in a bundle that is valid. */
  function find(bundle: Buffer, ...paths: readonly string[]): (string | undefined)[][] {
    return schema.check(bundle, (document) =>
      paths.map((path) => document.find(path, NAMESPACE).map((node) => node.content)),
    );
  }

  test('a rich report gives a bundle with analysis, behaviors, actions and objects', async () => {
    const bundle = await rendered(maec1, await sampleReport());
    const [objects, processes, hosts, apis, uris, techniques] = find(
      bundle,
      '//m:Object_Pool/m:Object/@type',
      '//m:Process_Object_Attributes/m:Command_Line',
      '//m:Network_Action_Attributes/m:Host_Name',
      '//m:API_Call/@apifunction_name',
      '//m:Internet_Object_Attributes/m:URI',
      '//m:Behavior/m:Description/m:Text[starts-with(., "ATT&CK T1053.003")]',
    );
    expect(objects).toEqual(`${'File '.repeat(4)}${'Process '.repeat(11)}URI URI`.split(' '));
    expect(processes).toContain('cat /home/user/.ssh/id_ed25519 /home/user/.aws/credentials');
    expect(hosts).toEqual(['cdn.update-check.example', 'gate.update-check.example']);
    expect(apis).toEqual(['unlinkat', 'prctl', 'ptrace']);
    expect(uris).toContain('http://cdn.update-check.example/p.bin');
    expect(techniques).toHaveLength(1);
  });

  test('every reference points to an object or action of the bundle', async () => {
    const bundle = await rendered(maec1, await sampleReport());
    const [ids = [], objects = [], actions = [], tools = []] = find(
      bundle,
      '//@id',
      '//@object_id',
      '//@action_id',
      '//@tool_id',
    );
    expect(objects.length).toBeGreaterThan(20);
    expect(actions.length).toBeGreaterThan(0);
    expect([...objects, ...actions, ...tools].filter((id) => !ids.includes(id))).toEqual([]);
  });

  test.each([
    ['elements in another order', /(<Internal_Port>.*?<\/Internal_Port>)\s*(<External_Port>.*?<\/External_Port>)/, '$2$1'],
    ['an id of another form', /id="maec:[0-9a-f]+:bnd:1"/, 'id="bundle-1"'],
    ['an action without its id', /<Action id="[^"]+"/, '<Action'],
    ['an unknown element', '<Pools>', '<Pools><Pool/>'],
    ['a success that is neither', 'successful="true"', 'successful="file"'],
  ])('the schema refuses %s', async (_what, pattern, by) => {
    const text = (await rendered(maec1, await sampleReport())).toString();
    const spoilt = text.replace(pattern, by);
    expect(spoilt).not.toBe(text);
    expect(() => schema.check(spoilt, () => null)).toThrow();
  }); // prettier-ignore

  test('a URL of which nothing is known is a bundle too', async () => {
    const [subject] = find(await rendered(maec1, bareReport()), '//m:Object_Pool/m:Object/@type');
    expect(subject).toEqual(['URI']);
  });

  test('hostile text anywhere changes no element', async () => {
    const base = await sampleReport();
    const count = async (text: string): Promise<number | undefined> =>
      find(await rendered(maec1, poison(base, text, ['md5'])), '//*')[0]?.length;
    const clean = await count('x');
    await fc.assert(
      fc.asyncProperty(hostileText, async (text) => expect(await count(text)).toBe(clean)),
      { numRuns: 40 },
    );
  });

  test('the same report gives the same bytes', async () => {
    const report = await sampleReport();
    expect(await rendered(maec1, report)).toEqual(await rendered(maec1, report));
  });

  test('ten thousand calls are bounded, and those left out are counted in a note', async () => {
    const calls = Array.from({ length: 10_000 }, (_, i) => call('unlink', [`/tmp/\0${'\x01'.repeat(3000)}${i}`]));
    const bundle = await rendered(maec1, { ...bareReport(), ...evidence({ processes: [{ calls }] }), malkoha: bareReport().malkoha });
    const [actions, notes] = find(bundle, '//m:Action', '//m:Note');
    expect(actions).toHaveLength(500);
    expect(notes).toEqual(['9500 more traced calls are in report.json and not here.']);
    expect(bundle.length).toBeLessThan(12_000_000);
  }); // prettier-ignore
});
