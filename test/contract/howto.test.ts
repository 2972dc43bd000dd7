import { expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { matchSignatures } from '#signatures/engine.js';
import { parseRules } from '#signatures/load.js';
import { SOURCES, isSummarySource, type SourceName } from '#signatures/sources.js';
import { call, evidence, http } from '../support/evidence.js';
import beacons from '../support/howto/beacons.js';
import { txt } from '../support/howto/txt.js';
import { rendered, sampleReport } from '../support/report.js';

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const blocks = (page: string, language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map((match) => match[1] ?? '');

test.each([
  ['docs/howto/add-a-signature.md', 'test/support/howto/beacons.ts'],
  ['docs/howto/add-a-report-format.md', 'test/support/howto/txt.ts'],
])('%s shows %s, which is compiled, as it is', async (page, file) => {
  expect(blocks(await read(page), 'ts')).toContain(await read(file));
});

test('the rule of the walk-through is read and matches what it says', async () => {
  const [text = ''] = blocks(await read('docs/howto/add-a-signature.md'), 'yaml');
  const rules = parseRules(text, 'add-a-signature.md');
  const matches = (sketch: Parameters<typeof evidence>[0]) =>
    matchSignatures(evidence(sketch), rules).map(({ name }) => name);
  expect(matches({ processes: [{ summary: { file_written: ['/etc/motd'] } }] })).toEqual(['writes_motd']);
  expect(matches({ processes: [{ calls: [call('rename', ['/tmp/x', '/etc/update-motd.d/9'])] }] })).toEqual([
    'writes_motd',
  ]);
  expect(matches({ processes: [{ summary: { file_read: ['/etc/motd'] } }] })).toEqual([]);
});

test('the function of the walk-through finds beacons and nothing else', () => {
  const at = (...times: number[]) =>
    evidence({ network: { http: times.map((time) => http('http://a.example/', { time })) } });
  const names = (each: ReturnType<typeof evidence>) =>
    matchSignatures(each, [beacons]).map(({ name }) => name);
  expect(names(at(0, 10, 20.2, 30, 40))).toEqual(['beacons']);
  expect(names(at(0, 1, 20, 21, 40))).toEqual([]);
});

test('the format of the walk-through renders a report with hostile text', async () => {
  const text = (await rendered(txt, await sampleReport())).toString();
  expect(text).toContain('invoice.sh: malicious (10 of 10)');
  expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}|\p{Cf}/u);
});

test('the rules in docs/signatures.md are read', async () => {
  const [rule = '', ...conditions] = blocks(await read('docs/signatures.md'), 'yaml');
  expect(parseRules(rule, 'signatures.md')).toHaveLength(1);
  for (const condition of conditions) {
    expect(
      parseRules(`name: example\ndescription: An example\nseverity: 1\n${condition}`, 'signatures.md'),
    ).toHaveLength(1);
  }
});

test('docs/signatures.md lists every source', async () => {
  const page = await read('docs/signatures.md');
  const rows = (Object.keys(SOURCES) as SourceName[]).map(
    (name) =>
      `| \`${name}\`${isSummarySource(name) ? ' *' : ''} | ${SOURCES[name].text} | ${SOURCES[name].category} |`,
  );
  expect(page.split('\n').filter((line) => /^\| `[a-z_0-9]+`(?: \*)? \|.*\|.*\|$/.test(line))).toEqual(rows);
});
