import type { z } from 'zod';
import type { oas31, ZodOpenApiRequestBodyObject, ZodOpenApiResponseObject } from 'zod-openapi';
import { addRouteConfig } from '../../http/route-config.js';

/** Areas of the API, in the order of the document. */
export const TAGS = {
  Submit: 'Files and URLs to be analysed.',
  Tasks: 'One task per analysis: what was asked for, and what becomes of it.',
  Results: 'Reports, screenshots, and what the sample and its machine left.',
  Samples: 'Every distinct file that was ever submitted.',
  Events: 'To be told, instead of asking again and again.',
  Server: 'Machines, load, and this description.',
} as const;

export type Tag = keyof typeof TAGS;

/** Parameters by name. */
export type Schemas = Readonly<Record<string, z.ZodType>>;

/** What the document says of one handler. Every text is short; `code` is in backticks. */
export interface Operation {
  readonly tag: Tag;
  /** What one gets, in a few words. */
  readonly summary: string;
  /** What neither the summary nor the schemas say. */
  readonly text?: string;
  /** By name; a route of the handler that has no such part leaves it out. */
  readonly path?: Schemas;
  readonly query?: Schemas;
  readonly headers?: Schemas;
  readonly form?: ZodOpenApiRequestBodyObject;
  /** Requests that we make because of it, by name: to that URL, with a body in JSON. */
  readonly sends?: Readonly<Record<string, { readonly url: string; readonly schema: z.ZodType }>>;
  /** By status. What every operation may be answered is not repeated here. */
  readonly answers: Readonly<Record<number, ZodOpenApiResponseObject | oas31.ReferenceObject>>;
  readonly deprecated?: true;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    describes?: Operation;
  }
}

/** Beside each handler: what GET /openapi.json and GET /docs say of it. */
export const Describe = (describes: Operation): MethodDecorator => addRouteConfig({ describes });
