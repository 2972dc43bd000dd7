import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import type { Report } from '#domain/report.js';
import { writeReports } from '#reporting/write.js';
import { openChromium } from '../support/chromium.js';
import { PIXEL, sampleReport } from '../support/report.js';

let browser: Awaited<ReturnType<typeof openChromium>> | undefined;
let dir = '';
let report: Report;
let page: Page;
const violations: string[] = [];

describe('report.html in Chromium', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'malkoha-report-'));
    report = await sampleReport();
    await writeReports(report, dir, ['html'], { screenshot: async () => PIXEL }, AbortSignal.timeout(30_000));
    browser = await openChromium();
    page = await browser.context.newPage();
    // Chromium reports what the page's policy refuses, and every error, on the console.
    page.on('console', (message) => violations.push(message.text()));
    page.on('pageerror', (error) => violations.push(error.message));
    page.on('request', (request) => {
      if (!/^(?:file|data):/.test(request.url())) violations.push(`request to ${request.url()}`);
    });
    await page.goto(pathToFileURL(join(dir, 'report.html')).href);
  }, 60_000);

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  test('hostile text neither runs nor breaks out, and the page breaks none of its own policy', async () => {
    expect(violations).toEqual([]);
    expect(await page.title()).toBe('invoice.sh – malicious – Malkoha');
    expect(await page.locator('script').count()).toBe(0);
    expect(await page.locator('img:not([src^="data:image/png;base64,"])').count()).toBe(0);
    expect(await page.locator('body').innerText()).toContain('<script>document.title=');
  });

  test('the policy would stop a script and a request even if one slipped through', async () => {
    const stopped = await page.context().newPage();
    const refused: string[] = [];
    stopped.on('console', (message) => refused.push(message.text()));
    const text = await page.content();
    await stopped.setContent(
      text.replace(
        '<main>',
        '<main><script>document.title="owned"</script><img src="https://203.0.113.1/x.png">',
      ),
    );
    expect(await stopped.title()).not.toBe('owned');
    expect(refused.some((line) => /script-src|default-src/.test(line))).toBe(true);
    expect(refused.some((line) => /img-src/.test(line))).toBe(true);
    await stopped.close();
  });

  test('signatures, tree, files and requests can be seen', async () => {
    for (const { description } of report.signatures) {
      await expect(
        page.locator('#signatures summary', { hasText: description }).first().isVisible(),
      ).resolves.toBe(true);
    }
    expect(await page.locator('#processes .tree li').count()).toBe(report.behavior?.processes.length);
    const seen = {
      '#processes': ['curl -sS -o /tmp/.cache-x/kworker', 'still running', 'SIGKILL', 'exit 127'],
      '#network': [
        'http://cdn.update-check.example/p.bin',
        'curl/7.88.1',
        'gate.update-check.example',
        '203.0.113.77:4444',
      ],
      '#files': ['/etc/cron.d/update', '/tmp/.cache-x/kworker', 'a'.repeat(64)],
      '#attack': ['T1053.003', 'Scheduled Task/Job: Cron'],
      '.notes': ['The trace was cut at 64 MiB'],
      '.verdict': ['malicious', 'ended by the time-out'],
    };
    for (const [where, texts] of Object.entries(seen)) {
      const block = page.locator(where).first();
      expect(await block.isVisible()).toBe(true);
      const text = await block.innerText();
      for (const each of texts) expect(text.toLowerCase()).toContain(each.toLowerCase());
    }
  });

  test('a folded signature opens with the keyboard alone and shows its proof', async () => {
    const folded = page.locator('details.signature:not([open])').first();
    await folded.locator('summary').focus();
    const proof = folded.locator('.marks li').first();
    expect(await proof.isVisible()).toBe(false);
    await page.keyboard.press('Enter');
    expect(await page.locator('details.signature:focus-within .marks li').first().isVisible()).toBe(true);
  });

  test.each([1280, 390])('nothing makes the page wider than a screen of %i pixels', async (width) => {
    await page.setViewportSize({ width, height: 900 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  });

  test('its pictures are decoded, the first and the last among them', async () => {
    const images = page.locator('#screenshots img');
    expect(await images.count()).toBe(8);
    await images.last().scrollIntoViewIfNeeded();
    const decoded = '[...document.images].at(-1).decode().then(() => document.images.length)';
    expect(await page.evaluate(decoded)).toBe(8);
    expect(await images.last().getAttribute('alt')).toBe('Screenshot 12');
  });
});
