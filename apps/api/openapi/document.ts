import assert from 'node:assert';
import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiCallbacksObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiOverride,
} from 'zod-openapi';
import type { Route } from '../../http/route-table.js';
import { CUCKOO_VERSION } from '../status-schema.js';
import { ALWAYS, FORM, OPEN } from './common-answers.js';
import type { ApiDocument } from './document-shape.js';
import { addExamples } from './examples.js';
import { TAGS, type Operation, type Schemas } from './operation.js';
import { scopesOf } from './scopes.js';

const INFO = {
  title: 'Malkoha REST API',
  version: CUCKOO_VERSION,
  description:
    `The REST API of Cuckoo Sandbox ${CUCKOO_VERSION} and of the versions before it, and what those do not have. ` +
    'Success is 200. Every path also exists below `/v1`; `HEAD` answers like `GET`; one slash at the end and doubled ' +
    'slashes are ignored.',
};

const TOKEN = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A token of cuckoo.conf with the scope that the operation names, or `admin`. Where none is set, none is needed.',
} as const;

/** OpenAPI 3.1 of every route that is described. @see https://spec.openapis.org/oas/v3.1.1.html */
export function buildDocument(routes: readonly Route[]): ApiDocument {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    if (route.config.describes === undefined || route.method === 'HEAD') continue;
    const path = (paths[route.url.replace(/:(\w+)/g, '{$1}')] ??= {});
    path[route.method.toLowerCase()] = operation(route, route.config.describes);
  }
  const document = createDocument(
    {
      openapi: '3.1.1',
      info: INFO,
      servers: [{ url: '/' }, { url: '/v1' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      paths,
      components: { securitySchemes: { token: TOKEN } },
    },
    { override: plain },
  ) as unknown as ApiDocument;
  addExamples(document);
  return document;
}

function operation({ method, url, config }: Route, describes: Operation): ZodOpenApiOperationObject {
  const { tag, summary, text, path = {}, query = {}, headers = {}, form, sends, answers } = describes;
  const names = [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  const inPath = pick(path, (name) => names.includes(name));
  const missing = names.filter((name) => !(name in inPath));
  assert(missing.length === 0, `the description of ${method} ${url} does not say what ${missing.join()} is`);
  return {
    operationId: operationId(method, url),
    tags: [tag],
    summary,
    ...(text !== undefined && { description: text }),
    ...(describes.deprecated && { deprecated: true }),
    security: scopesOf(config.needs, inPath).map((scope) => ({ token: [scope] })),
    requestParams: {
      path: z.object(inPath),
      // What the path says already cannot be said again.
      query: optional(pick(query, (name) => !names.includes(name))),
      header: optional(headers),
    },
    ...(form && { requestBody: form }),
    ...(sends && { callbacks: callbacks(sends) }),
    responses: { ...(config.needs === 'none' ? OPEN : ALWAYS), ...(form && FORM), ...answers },
  };
}

function callbacks(sends: NonNullable<Operation['sends']>): ZodOpenApiCallbacksObject {
  const pairs = Object.entries(sends).map(([name, { url, schema }]) => {
    const requestBody = { content: { 'application/json': { schema } } };
    return [name, { [url]: { post: { requestBody, responses: { '2XX': { description: 'It came.' } } } } }];
  });
  return Object.fromEntries(pairs) as ZodOpenApiCallbacksObject;
}

function pick(schemas: Schemas, wanted: (name: string) => boolean): Schemas {
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => wanted(name)));
}

/** `GET /tasks/view/:id` → `getTasksViewById`. */
function operationId(method: string, url: string): string {
  const words = url.replaceAll('/:', '/by-').split(/\W+/).filter(Boolean);
  const names = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return method.toLowerCase() + names.join('');
}

function optional(schemas: Schemas): z.ZodObject {
  const pairs = Object.entries(schemas).map(([name, one]) => [name, one.optional().meta(one.meta() ?? {})]);
  return z.object(Object.fromEntries(pairs) as Record<string, z.ZodType>);
}

const plain: ZodOpenApiOverride = ({ zodSchema, jsonSchema }) => {
  const { def } = zodSchema._zod;
  // Keys may be added: a client must not refuse an answer for one that it does not know.
  if (def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  delete jsonSchema.readOnly;
};
