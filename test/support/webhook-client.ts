import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { TestApi } from './api.js';
import { ask } from './api-client.js';
import type { Received } from './receiver.js';

export interface Delivery {
  readonly id: number;
  readonly state: string;
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly next_attempt_on: string | null;
  readonly [key: string]: unknown;
}
export interface Hook {
  readonly id: number;
  readonly secret: string;
  readonly [key: string]: unknown;
}

export async function register(
  api: TestApi,
  url: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<Hook> {
  const body = new URLSearchParams({ url, ...fields });
  const answer = await ask(api, '/webhooks', { method: 'POST', body });
  expect(answer.status).toBe(200);
  return (answer.body as unknown as { webhook: Hook }).webhook;
}

export async function deliveries(api: TestApi, hook: Hook): Promise<readonly Delivery[]> {
  const answer = await ask(api, `/webhooks/${hook.id}/deliveries`);
  return (answer.body as unknown as { deliveries: Delivery[] }).deliveries;
}

/** The newest entry of the log, once it is as it should be. */
export async function settled(
  api: TestApi,
  hook: Hook,
  isSo: (entry: Delivery) => boolean,
): Promise<Delivery> {
  for (;;) {
    const [entry] = await deliveries(api, hook);
    if (entry !== undefined && isSo(entry)) return entry;
    await sleep(20);
  }
}

/** As a receiver does it, from the documentation. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  return headers['webhook-signature'] === expected;
}
