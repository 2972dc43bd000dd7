import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { ApiDocument } from '../../apps/api/openapi/document-shape.js';
import { LINUX1, make } from '../contract/rest-api/world.js';
import { startApi, type TestApi } from '../support/api.js';
import { submit } from '../support/api-client.js';
import { openChromium } from '../support/chromium.js';
import { startReceiver } from '../support/receiver.js';
import { register } from '../support/webhook-client.js';

const TOKEN = 'a-token-that-may-do-everything';
const run = promisify(execFile);

let api: TestApi;
let browser: Awaited<ReturnType<typeof openChromium>> | undefined;
let page: Page;
let dir = '';
const violations: string[] = [];

async function documentOf(): Promise<ApiDocument> {
  return (await (await fetch(`${api.url}/openapi.json`)).json()) as ApiDocument;
}

/** Runs a line of the page as one would who pastes it, and returns the status of its answer. */
async function paste(line: string): Promise<number> {
  const watched = line.replace(/^curl /, "curl -s --max-time 2 -w '%{stderr}%{http_code}' ");
  const env = { PATH: process.env['PATH'], MALKOHA_TOKEN: TOKEN };
  const { stderr } = await run('sh', ['-c', watched], { cwd: dir, env, maxBuffer: 1 << 24 }).catch(
    (error: unknown) => error as { stderr: string },
  );
  return Number(stderr);
}

describe('GET /docs in Chromium', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'malkoha-docs-'));
    api = await startApi('[webhooks]\nallow_private = yes\n');
    browser = await openChromium();
    await browser.context.setOffline(false);
    page = await browser.context.newPage();
    // Chromium reports what the page's policy refuses, and every error, on the console.
    page.on('console', (message) => violations.push(message.text()));
    page.on('pageerror', (error) => violations.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== `${api.url}/v1/docs`) violations.push(`request to ${request.url()}`);
    });
    await page.goto(`${api.url}/v1/docs`);
  }, 60_000);

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  test('it has no script, loads nothing, and breaks none of its own policy', async () => {
    expect(violations).toEqual([]);
    expect(await page.locator('script').count()).toBe(0);
    const color = 'getComputedStyle(document.querySelector(".method")).backgroundColor';
    expect(await page.evaluate(color)).toBe('rgb(31, 95, 191)'); // it has its style
  });

  test('every operation is there, in the contents too, and every link leads somewhere', async () => {
    const operations = Object.values((await documentOf()).paths).flatMap((path) => Object.values(path));
    expect(operations.length).toBeGreaterThan(20);
    for (const { operationId } of operations) {
      expect(await page.locator(`article#${operationId}`).count()).toBe(1);
      expect(await page.locator(`#contents a[href="#${operationId}"]`).count()).toBe(1);
    }
    const lost =
      '[...document.querySelectorAll("a[href^=\'#\']")].map((a) => a.hash).filter((id) => !document.querySelector(id))';
    expect(await page.evaluate(lost)).toEqual([]);
  });

  test('an operation says its method, path, scope, parameters, answers and an example', async () => {
    const article = page.locator('article#getTasksViewById');
    const text = await article.innerText();
    for (const said of ['GET', '/tasks/view/{id}', 'read', '?wait=', '200', '404', 'Task not found'])
      expect(text).toContain(said);
    await article.locator('summary').focus();
    await page.keyboard.press('Enter');
    expect(await article.locator('details pre').innerText()).toContain('"status": "reported"');
  });

  test.each([1280, 390])('nothing makes the page wider than a screen of %i pixels', async (width) => {
    await page.setViewportSize({ width, height: 900 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  });

  test('its lines for a shell work as they are pasted', async () => {
    await using receiver = await startReceiver();
    await register(api, receiver.url);
    expect(await make(api, 'reported')).toBe(1);
    await receiver.count(1);
    await submit(api, 'invoice.sh', '#!/bin/sh\nid\n');
    await api.context.machines.register('host/1/1', [LINUX1]);
    const lines = await page.locator('.curl').allInnerTexts();
    const refused: string[] = [];
    // What takes something away comes last, and so does a webhook that would be told of it.
    const late = (line: string) =>
      ['/delete/', '-F url=https', '-X DELETE'].findIndex((one) => line.includes(one));
    for (const line of lines.toSorted((a, b) => late(a) - late(b))) {
      const status = await paste(line);
      if (status !== 200) refused.push(`${status} ${line}`);
    }
    expect(refused).toEqual([
      `409 curl ${api.url}/tasks/reschedule/1/2`, // the line before has done it
      `409 curl -X POST ${api.url}/tasks/retry/1`, // it did not fail
      `409 curl -X POST ${api.url}/tasks/cancel/1`, // it has ended
      expect.stringMatching(/^404 curl \S+\/machines\/tests\//), // none was asked for
      `404 curl -X POST ${api.url}/workers/drain/lab`, // there is no worker
      `503 curl ${api.url}/health/ready`, // there is no worker
      `500 curl ${api.url}/vpn/status`,
      `403 curl ${api.url}/exit`,
    ]);
    expect(await readdir(dir)).toEqual(expect.arrayContaining(['dump.pcap', '1-screenshots.zip']));
  }, 60_000);

  test('where a token is needed the lines take it from the environment', async () => {
    await using guarded = await startApi(`[tokens]\nreader = read ${TOKEN}\n`);
    const other = await page.context().newPage();
    await other.setExtraHTTPHeaders({ authorization: `Bearer ${TOKEN}` });
    await other.goto(`${guarded.url}/docs`);
    expect(await other.locator('main').innerText()).toContain('export MALKOHA_TOKEN=');
    const line = await other.locator('#getCuckooStatus .curl').innerText();
    expect(line).toContain('"Authorization: Bearer $MALKOHA_TOKEN"');
    expect(await paste(line)).toBe(200);
    expect(await paste(await other.locator('#getPcapGetById .curl').innerText())).toBe(403);
    await other.close();
  });
});
