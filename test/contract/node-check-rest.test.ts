import { setTimeout as sleep } from 'node:timers/promises';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { openNode } from '#nodes/open.js';
import type { NodeClient } from '#nodes/node.js';
import { DISTRIBUTED } from '../../apps/distributed/api/presentations.js';
import { CheckController } from '../../apps/distributed/check/check.controller.js';
import { Context } from '../../apps/distributed/context.js';
import type { Finding } from '../../apps/finding.js';
import { createHttpServer, TIME_LIMITS } from '../../apps/http/server.js';
import { LIMITS, scripted } from '../support/node-check.js';
import type { ScriptedNode } from '../support/scripted-node/start.js';

@Module({})
class OnlyCheck {}

/** The controller with just what it asks of the rest. */
class Api implements AsyncDisposable {
  readonly saw: number[] = [];
  private constructor(
    readonly node: ScriptedNode,
    readonly client: NodeClient,
  ) {}
  url = '';
  #close = async (): Promise<void> => {};

  static async start(node: ScriptedNode): Promise<Api> {
    const row = { id: 7, name: 'n1', url: node.url, token: null, dialect: 'malkoha' } as NodeRow;
    const api = new Api(node, openNode(row, 'malkoha', LIMITS));
    const shutdown = new AbortController();
    const context = new Context({
      settings: { reportFormats: ['json'], pcap: false },
      nodes: {
        find: async (name: string) => (name === row.name ? row : null),
        machines: async () => [],
        saw: async (id: number) => void api.saw.push(id),
      },
      clients: { of: () => api.client, limits: LIMITS },
      bells: { place: () => {} },
      log: () => {},
      shutdown: shutdown.signal,
    } as never);
    const app = await createHttpServer({
      module: () => ({
        module: OnlyCheck,
        controllers: [CheckController],
        providers: [{ provide: Context, useValue: context }],
      }),
      gate: { host: '127.0.0.1', tokens: [], rateLimit: 0 },
      presentation: DISTRIBUTED,
      log: () => {},
      limits: TIME_LIMITS,
    });
    await app.listen(0, '127.0.0.1');
    api.url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}/api/node`;
    api.#close = () => app.close();
    return api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    this.client.close();
    await this.node[Symbol.asyncDispose]();
  }
}

let api: Api;
beforeAll(async () => {
  api = await Api.start(await scripted());
});
afterAll(() => api[Symbol.asyncDispose]());

function findings(text: string): Finding[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Finding);
}

test('each finding is a line of JSON, and a node that is well is known to be', async () => {
  const answer = await fetch(`${api.url}/n1/check`, { method: 'POST' });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  const all = findings(await answer.text());
  expect(all[0]).toEqual({ check: 'address', status: 'ok', found: '127.0.0.1', fix: null });
  expect(all.at(-1)).toMatchObject({ check: 'removal', status: 'ok' });
  expect(api.saw).toEqual([7]);
});

test('fields come as a form or as JSON', async () => {
  for (const body of [new URLSearchParams({ analysis: '0' }), '{"analysis": false, "timeout": 5}']) {
    const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
    const answer = await fetch(`${api.url}/n1/check`, { method: 'POST', body, headers });
    expect(findings(await answer.text()).at(-1)).toMatchObject({ check: 'analysis', status: 'skipped' });
  }
});

test('another node, and fields that say nothing', async () => {
  const unknown = await fetch(`${api.url}/n2/check`, { method: 'POST' });
  expect([unknown.status, await unknown.json()]).toEqual([404, { success: false, message: 'No such node' }]);
  const body = new URLSearchParams({ timeout: 'soon' });
  const odd = await fetch(`${api.url}/n1/check`, { method: 'POST', body });
  expect([odd.status, await odd.json()]).toMatchObject([
    400,
    { message: expect.stringContaining('"timeout" must be') },
  ]);
});

test('what a client leaves behind that goes away is removed from the node', async () => {
  const before = api.node.runs.length;
  const gone = new AbortController();
  api.node.knobs.latency = { view: 60_000 };
  try {
    const answer = await fetch(`${api.url}/n1/check`, { method: 'POST', signal: gone.signal });
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? [])
      if (decoder.decode(chunk as Uint8Array).includes('"submission"')) break;
    expect(api.node.runs.length).toBe(before + 1);
  } finally {
    api.node.knobs.latency = {};
    gone.abort();
  }
  while (api.node.tasks.length > 0) await sleep(20);
  expect(api.node.runs.length).toBe(before + 1);
});
