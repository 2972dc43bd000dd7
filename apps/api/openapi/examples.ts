import assert from 'node:assert';
import type { oas31 } from 'zod-openapi';
import type { ApiDocument, Schema, Schemas } from './document-shape.js';

/** Gives each answer in JSON the example that its schema has. */
export function addExamples({ paths, components }: ApiDocument): void {
  const answers = Object.values(paths)
    .flatMap((path) => Object.values(path))
    .flatMap(({ responses }) => Object.values(responses));
  for (const answer of answers) {
    const content = isReference(answer) ? undefined : answer.content?.['application/json'];
    if (content?.schema) content.example ??= exampleOf(content.schema, components.schemas);
  }
}

/** An example of what a schema describes: its own, or one from those of its parts. */
export function exampleOf(schema: Schema, schemas: Schemas): unknown {
  if (isReference(schema)) return exampleOf(named(schema, schemas), schemas);
  const { examples, anyOf, items, properties, enum: values } = schema;
  if (examples !== undefined) return examples[0];
  if (schema.const !== undefined) return schema.const as unknown;
  if (values !== undefined) return values[0];
  if (anyOf?.[0] !== undefined) return exampleOf(anyOf[0], schemas);
  if (items !== undefined) return [exampleOf(items, schemas)];
  if (schema.type !== 'object') return null;
  const parts = Object.entries(properties ?? {}).map(([name, part]) => [name, exampleOf(part, schemas)]);
  return Object.fromEntries(parts);
}

export function isReference(value: object): value is oas31.ReferenceObject {
  return '$ref' in value;
}

/** What `#/components/…/Task` refers to. */
export function named<T>({ $ref }: oas31.ReferenceObject, parts: Readonly<Record<string, T>>): T {
  const part = parts[$ref.replace(/^.*\//, '')];
  assert(part !== undefined, `nothing is called ${$ref}`);
  return part;
}
