import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { Report } from '#domain/report.js';
import { evidence, fileReport, http } from '../../../test/support/evidence.js';
import { bareReport, hostileText, poison, rendered, sampleReport } from '../../../test/support/report.js';
import { validator } from '../../../test/support/xml.js';
import { metadataXml } from './metadata.js';

jest.setTimeout(60_000);

const NAMESPACE = { m: 'http://xml/metadataSharing.xsd' };

/** A dropper that also asks a server which a name resolved to. */
async function dropperReport(): Promise<Report> {
  const report = await sampleReport();
  const dropped = (report.dropped ?? []).map((file, i) => ({ ...file, md5: String(i + 1).repeat(32) }));
  const domains = [{ domain: 'cdn.update-check.example', ip: '198.18.0.7' }];
  return { ...report, dropped, ...(report.network && { network: { ...report.network, domains } }) };
}

describe('MMDEF 1.1', () => {
  let schema: Awaited<ReturnType<typeof validator>>;
  beforeAll(async () => void (schema = await validator('./mmdef-1.1.xsd')));
  afterAll(() => schema.dispose());

  function find(file: Buffer, ...paths: readonly string[]): (string | undefined)[][] {
    return schema.check(file, (document) =>
      paths.map((path) => document.find(path, NAMESPACE).map((node) => node.content)),
    );
  }

  /** References that do not find exactly one object. */
  function lost(file: Buffer): string[] {
    return schema.check(file, (document) =>
      document
        .find('//m:ref', NAMESPACE)
        .map((node) => node.content)
        .filter((ref) => document.find(`/m:malwareMetaData/m:objects/m:${ref}`, NAMESPACE).length !== 1),
    );
  }

  test('it has the elements that Cuckoo wrote', async () => {
    const file = await rendered(metadataXml, await dropperReport());
    const root = '/m:malwareMetaData';
    const [id, author, files, uris, ips, types, properties] = find(
      file,
      `${root}/@id`,
      `${root}/m:author`,
      `${root}/m:objects/m:file/@id`,
      `${root}/m:objects/m:uri/@id`,
      `${root}/m:objects/m:ip/@id`,
      `${root}/m:relationships/m:relationship/@type`,
      `${root}/m:objectProperties/m:objectProperty/m:property/@type`,
    );
    expect(id).toEqual([`cuckoo:${'0'.repeat(32)}`]);
    expect(author).toEqual(['Cuckoo Sandbox 2.0.7']);
    expect(files).toEqual(['0', '1', '2', '3'].map((digit) => digit.repeat(32)));
    expect(uris).toEqual(['http://cdn.update-check.example/p.bin', 'http://198.18.0.9/gate.php?id=7']);
    expect(ips).toEqual(['198.18.0.7-198.18.0.7']);
    expect(types).toEqual([
      'installed',
      'installed',
      'installed',
      'isServerOfService',
      'contactedBy',
      'contactedBy',
    ]);
    expect(properties).toEqual(
      `${'filename '.repeat(4)}httpMethod userAgent httpMethod postData userAgent`.split(' '),
    );
    expect(lost(file)).toEqual([]);
  });

  test.each([
    ['a reference without its element', /<source>\s*<ref>(.*?)<\/ref>\s*<\/source>/, '<source>$1</source>'],
    ['another version', 'version="1.1"', 'version="1.2"'],
    ['an unknown relationship', 'type="installed"', 'type="knows"'],
    ['a hash that is none', /<md5>0/, '<md5>x'],
  ])('the schema refuses %s', async (_what, pattern, by) => {
    const text = (await rendered(metadataXml, await dropperReport())).toString();
    const spoilt = text.replace(/^(.*?)\n/, '').replace(pattern, by);
    expect(spoilt).not.toBe(text.replace(/^(.*?)\n/, ''));
    expect(() => schema.check(spoilt, () => null)).toThrow();
  });

  test('a URL is its own object, and with it its relationships', async () => {
    const report = { ...bareReport(), ...evidence({ network: { http: [http('http://a.example/')] } }) };
    const file = await rendered(metadataXml, {
      ...report,
      target: bareReport().target,
      malkoha: bareReport().malkoha,
    });
    expect(lost(file)).toEqual([]);
    expect(find(file, '//m:relationship/@type')).toEqual([['contactedBy']]);
  });

  test('a file that is dropped twice, or is the sample itself, is one object', async () => {
    const twin = {
      ...fileReport({ md5: 'a'.repeat(32) }),
      filepath: '/x',
      pids: [],
      deleted: false,
      complete: true,
    };
    const self = { ...twin, md5: '0'.repeat(32) };
    const report = { ...(await sampleReport()), dropped: [twin, twin, self] };
    const [files] = find(await rendered(metadataXml, report), '//m:file/@id');
    expect(files).toEqual(['0'.repeat(32), 'a'.repeat(32)]);
  });

  test('hostile text anywhere leaves it valid, and every reference finds its object', async () => {
    const base = await dropperReport();
    const quotes = fc.constantFrom(`it's "both"`, `'`, `"`, `']|//*['`);
    await fc.assert(
      fc.asyncProperty(fc.oneof(hostileText, quotes), async (text) => {
        const kept = ['md5', 'sha1', 'sha256', 'sha512', 'ip'];
        expect(lost(await rendered(metadataXml, poison(base, text, kept)))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('the same report gives the same bytes', async () => {
    const report = await dropperReport();
    expect(await rendered(metadataXml, report)).toEqual(await rendered(metadataXml, report));
  });
});
