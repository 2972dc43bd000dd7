import type { oas31 } from 'zod-openapi';
import type { Tag } from './operation.js';

export type Schema = oas31.SchemaObject | oas31.ReferenceObject;
export type Schemas = Readonly<Record<string, Schema>>;

/** What we use of OpenAPI 3.1, as buildDocument makes it. */
export interface ApiDocument {
  readonly info: { readonly title: string; readonly description: string };
  readonly tags: readonly { readonly name: Tag; readonly description: string }[];
  /** By path, then by method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly components: {
    readonly schemas: Schemas;
    readonly responses: Readonly<Record<string, ApiAnswer>>;
  };
}

export interface ApiOperation {
  readonly operationId: string;
  readonly tags: readonly [Tag];
  readonly summary: string;
  readonly description?: string;
  readonly deprecated?: boolean;
  /** Any of them is enough. */
  readonly security: readonly { readonly token: readonly [string] }[];
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, ApiContent>> };
  /** By status. */
  readonly responses: Readonly<Record<string, ApiAnswer | oas31.ReferenceObject>>;
}

export interface ApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

export interface ApiAnswer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description?: string; readonly example?: string }>>;
  /** By media type. */
  readonly content?: Readonly<Record<string, ApiContent>>;
}

export interface ApiContent {
  readonly schema?: Schema;
  example?: unknown;
}
