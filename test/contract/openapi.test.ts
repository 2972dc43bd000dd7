import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApiDocument, Schema } from '../../apps/api/openapi/document-shape.js';
import type { Operation } from '../../apps/api/openapi/operation.js';
import { RouteTable } from '../../apps/http/route-table.js';
import { startApi, type TestApi } from '../support/api.js';
import { answerOf, judgeBy, operationsOf, type Judge } from './rest-api/described.js';

const API = join(import.meta.dirname, '..', '..', 'apps', 'api');

let api: TestApi;
let document: ApiDocument;
let faultsOf: Judge;

/** Every description there is in a *.docs.ts, by its name. */
async function descriptions(): Promise<ReadonlyMap<string, Operation>> {
  const files = (await readdir(API, { recursive: true })).filter((name) => name.endsWith('.docs.ts'));
  const all = new Map<string, Operation>();
  for (const file of files) {
    const exported = (await import(pathToFileURL(join(API, file)).href)) as Record<string, Operation>;
    for (const [name, one] of Object.entries(exported)) all.set(`${file} ${name}`, one);
  }
  return all;
}

function routes() {
  return api.app
    .get(RouteTable)
    .all.filter(({ method }) => method !== 'HEAD')
    .map(({ method, url, config }) => ({ route: `${method} ${url}`, url, describes: config.describes }));
}

describe('the OpenAPI document', () => {
  beforeAll(async () => {
    api = await startApi();
    document = (await (await fetch(`${api.url}/openapi.json`)).json()) as ApiDocument;
    faultsOf = judgeBy(document);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('every route is described (@Describe)', () => {
    expect(routes().length).toBeGreaterThan(20);
    expect(routes().flatMap(({ route, describes }) => (describes ? [] : [route]))).toEqual([]);
    const described = [...operationsOf(document).keys()].map((one) => one.replace(/\{(\w+)\}/g, ':$1'));
    expect(described.toSorted()).toEqual(
      routes()
        .map(({ route }) => route)
        .toSorted(),
    );
  });

  test('every description has a route, and each of its path parameters is in one', async () => {
    const all = await descriptions();
    expect(all.size).toBeGreaterThan(15);
    const idle = [...all].flatMap(([name, one]) => {
      const urls = routes().flatMap(({ url, describes }) => (describes === one ? [url] : []));
      if (urls.length === 0) return [name];
      const strangers = Object.keys(one.path ?? {}).filter(
        (parameter) => !urls.some((url) => url.includes(`:${parameter}`)),
      );
      return strangers.map((parameter) => `${name} ${parameter}`);
    });
    expect(idle).toEqual([]);
  });

  test('is OpenAPI 3.1, and each operation has a name of its own', async () => {
    expect(await new Validator().validate(document as unknown as Record<string, unknown>)).toEqual({
      valid: true,
    });
    const ids = [...operationsOf(document).values()].map(({ operationId }) => operationId);
    expect(ids.length).toBe(new Set(ids).size);
    expect(ids).toContain('getTasksListByLimitByOffset');
  });

  test('says which scopes an operation needs', () => {
    const scopes = (operation: string) =>
      operationsOf(document)
        .get(operation)
        ?.security.map(({ token: [scope] }) => scope);
    expect(scopes('GET /tasks/view/{id}')).toEqual(['read']);
    expect(scopes('GET /tasks/delete/{id}')).toEqual(['admin']);
    expect(scopes('POST /tasks/create/file')).toEqual(['submit']);
    expect(scopes('GET /tasks/report/{id}')).toEqual(['read']);
    expect(scopes('GET /tasks/report/{id}/{format}')).toEqual(['read', 'download']);
  });

  test('its examples are as its schemas say', () => {
    const faults: string[] = [];
    let examples = 0;
    const judge = (place: string, schema: Schema, example: unknown) => {
      examples += 1;
      faults.push(...faultsOf(schema, example).map((fault) => `${place}: ${fault}`));
    };
    for (const [name, one] of operationsOf(document)) {
      for (const status of Object.keys(one.responses)) {
        for (const { schema, example } of Object.values(
          answerOf(document, one, Number(status))?.content ?? {},
        ))
          if (schema && example !== undefined) judge(`${name} ${status}`, schema, example);
      }
      for (const { name: parameter, schema } of one.parameters ?? []) {
        for (const example of 'examples' in schema ? (schema.examples ?? []) : [])
          judge(`${name} ${parameter}`, schema, example);
      }
    }
    expect(examples).toBeGreaterThan(50);
    expect(faults).toEqual([]);
  });
});
