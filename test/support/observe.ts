import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { LaneDepth } from '../../apps/api/metrics/lanes.js';
import { WorkerMetrics } from '../../apps/metrics/worker-metrics.js';
import { VERSION } from '../../apps/version.js';
import { LINUX1 } from '../contract/rest-api/world.js';
import type { TestApi } from './api.js';
import { parseOpenMetrics, type Family } from './openmetrics.js';

export const OPEN = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
export const TOKEN = 'a-token-that-may-read';
export const TOKENS = `[tokens]\nscraper = read ${TOKEN}\nmail = submit another-token-of-ours\n`;

export async function get(api: TestApi, path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${api.url}${path}`, { headers });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get('content-type'), text };
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export interface Ready {
  readonly status: string;
  readonly checks?: Readonly<
    Record<string, { readonly ok: boolean; readonly ms: number; readonly why?: string }>
  >;
  readonly warnings?: readonly string[];
}

export async function ready(api: TestApi, headers?: Record<string, string>) {
  const { status, text } = await get(api, '/health/ready', headers);
  return { status, body: JSON.parse(text) as Ready };
}

/** Asks until it is so: what was looked at is told again for a second. */
export async function readyWhen(api: TestApi, isSo: (body: Ready) => boolean) {
  for (;;) {
    const answer = await ready(api);
    if (isSo(answer.body)) return answer;
    await sleep(100);
  }
}

export async function scrape(api: TestApi): Promise<ReadonlyMap<string, Family>> {
  const { status, text } = await get(api, '/metrics', { accept: OPEN });
  expect(status).toBe(200);
  return parseOpenMetrics(text);
}

export function value(
  families: ReadonlyMap<string, Family>,
  family: string,
  labels: Readonly<Record<string, string>> = {},
) {
  const samples = families.get(family)?.samples ?? [];
  return samples.find((one) => Object.entries(labels).every(([name, wanted]) => one.labels[name] === wanted))
    ?.value;
}

/** A worker that lives, with one machine; what it counts is pushed. */
export async function work(api: TestApi, name: string, version = VERSION) {
  const { context } = api;
  const id = `${name}/host/1/7`;
  await context.workers.register({ id, name, host: 'host', version });
  await context.machines.register(id, [{ ...LINUX1, name: `${name}-linux1`, label: `${name}-linux1` }]);
  await context.machines.update(`${name}-linux1`, { state: 'ready' });
  const metrics = new WorkerMetrics({ id, name });
  metrics.reconciled({ enqueued: [], takenBack: [], failed: [] });
  await metrics.push(context.queues.redis);
  return {
    machine: `${name}-linux1`,
    metrics,
    [Symbol.dispose]: () => metrics[Symbol.dispose](),
  };
}

export function giveLanes(api: TestApi, depths: readonly LaneDepth[]): void {
  Object.defineProperty(api.context.queues, 'lanes', { value: { depths: async () => depths } });
}
