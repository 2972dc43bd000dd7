import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { Report } from '#domain/report.js';
import { call, evidence } from '../../../test/support/evidence.js';
import {
  bareReport,
  hostileText,
  PIXEL,
  poison,
  rendered,
  sampleReport,
} from '../../../test/support/report.js';
import type { Assets } from '../format.js';
import { html } from './html.js';
import { cut, html as markup } from './html/markup.js';
import { choose } from './html/screenshots.js';

jest.setTimeout(60_000);

async function page(report: Report, assets?: Assets): Promise<string> {
  return (await rendered(html, report, assets)).toString();
}

/** Tags with their attributes, outside the style element. What is left of the page is text. */
function tags(text: string): string[] {
  return text.replace(/<style>[^]*?<\/style>/, '').match(/<[^>]*>/g) ?? [];
}

const NAME =
  'html|head|body|meta|title|style|a|nav|main|header|footer|aside|section|div|p|h1|h2|h3|span|small|strong|code|pre|i|ul|li|dl|dt|dd|table|caption|thead|tbody|tr|th|td|details|summary|svg|circle|rect|text|br|figure|figcaption|img';
const ATTRIBUTE =
  'lang|charset|http-equiv|content|name|class|id|href|scope|tabindex|open|alt|src|loading|role|aria-[a-z]+|viewBox|preserveAspectRatio|width|height|x|y|cx|cy|r|transform|stroke-dasharray';
const ALLOWED = new RegExp(
  `^<(?:!doctype html|/(?:${NAME})\\s*|(?:${NAME})(?:\\s+(?:${ATTRIBUTE})(?:="[^"]*")?)*\\s*/?)>$`,
);

test('whatever the guest writes anywhere, no tag and no attribute comes of it', async () => {
  const base = await sampleReport();
  const clean = tags(await page(poison(base, 'x'))).filter((tag) => !/^<\/?small>$/.test(tag));
  await fc.assert(
    fc.asyncProperty(hostileText, async (text) => {
      const found = tags(await page(poison(base, text)));
      expect(found.filter((tag) => !ALLOWED.test(tag))).toEqual([]);
      // What is spelt out and what was cut are marked; beyond that the text changes nothing in the page's shape.
      const shape = found.filter((tag) => !/^<\/?(?:i|small|small class="cut")>$/.test(tag));
      expect(shape).toEqual(clean);
    }),
    { numRuns: 40 },
  );
}, 60_000);

test('control, bidirectional and invisible characters are spelt out', () => {
  expect(markup`${'a\u202eb\0\n\u200b\u00ad\ufeff\ud800c'}`.text).toBe(
    'a<i>\\u202e</i>b<i>\\x00\\n\\u200b\\xad\\ufeff\\ud800</i>c',
  );
  expect(markup`${'Straße 漢字 🙂 é'}`.text).toBe('Straße 漢字 🙂 é');
});

test('a long text is cut and says how long it was', () => {
  expect(markup`${cut('a'.repeat(1000), 10)}`.text).toBe(
    `${'a'.repeat(10)}<small class="cut">… 1000 characters</small>`,
  );
});

test('survives a URL task of which nothing is known', async () => {
  const text = await page(bareReport({}));
  expect(text).toContain('No process of it was traced');
  expect(text).toContain('Network traffic was not recorded');
  expect(text).toContain('no proof of harmlessness');
  expect(text).not.toContain('undefined');
  expect(text).not.toContain('[object');
});

test('a failed run says so, and why, before anything else', async () => {
  const { malkoha } = bareReport({});
  const text = await page(
    bareReport({
      malkoha: { ...malkoha, outcome: { status: 'failed', reason: 'The agent did not answer' } },
    }),
  );
  expect(text.indexOf('The agent did not answer')).toBeGreaterThan(0);
  expect(text.indexOf('The agent did not answer')).toBeLessThan(text.indexOf('id="story"'));
});

test('stays readable in size when the guest does everything ten thousand times', async () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `/tmp/${'\x01'.repeat(2000)}${i}`);
  const processes = Array.from({ length: 10_000 }, (_, i) => ({
    command: '\u202e'.repeat(5000),
    ...(i > 0 && { parent: i }),
  }));
  const base = evidence({
    processes: [{ summary: { file_written: many, file_deleted: many }, calls: [call('x')] }],
  });
  const chain = evidence({ processes: processes.slice(0, 1500) });
  for (const each of [base, chain]) {
    const text = await page({ ...bareReport({}), ...each, signatures: [], malkoha: bareReport({}).malkoha });
    expect(text.length).toBeLessThan(6_000_000);
    expect(text).toContain('more are in report.json under');
  }
});

test('the same report gives the same bytes', async () => {
  const report = await sampleReport();
  const assets: Assets = { screenshot: async () => PIXEL };
  expect(await page(report, assets)).toBe(await page(report, assets));
});

test('pictures are chosen evenly, the first and the last among them', () => {
  expect(choose([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 3)).toEqual([0, 5, 10]);
  expect(choose([1, 2], 3)).toEqual([1, 2]);
});

test('what is no picture is not embedded, whatever its name', async () => {
  const text = await page(await sampleReport(), {
    screenshot: async () => Buffer.from('<svg onload=alert(1)>'),
  });
  expect(text).not.toContain('<img');
  expect(text).toContain('12 more screenshots are in the analysis folder');
});
