import type { ApiOperation, ApiParameter, Schema } from '../document-shape.js';
import { exampleOf, isReference } from '../examples.js';
import type { Placed } from './operation.js';

export interface CurlTarget {
  /** http://127.0.0.1:8090 */
  readonly base: string;
  readonly needsToken: boolean;
}

/** A file that every host with curl has: a sample that does nothing bad. */
const SOME_FILE = '@/bin/ls';

/** A line for a shell that asks for this, with the examples of what it needs. */
export function curlLine({ method, path, operation }: Placed, { base, needsToken }: CurlTarget): string {
  const words = [
    ...(needsToken ? ['-H "Authorization: Bearer $MALKOHA_TOKEN"'] : []),
    ...output(operation),
    ...form(operation),
    ...(method === 'get' || operation.requestBody ? [] : [`-X ${method.toUpperCase()}`]),
    quoted(base + filled(path, operation.parameters ?? [])),
  ];
  return ['curl', ...words].join(' ');
}

function filled(path: string, parameters: readonly ApiParameter[]): string {
  return path.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const found = parameters.find((one) => one.in === 'path' && one.name === name);
    return found ? encodeURIComponent(textOf(found.schema)) : whole;
  });
}

/** What is required; of a form that requires nothing, the first field. */
function form({ requestBody }: ApiOperation): readonly string[] {
  const [content] = Object.values(requestBody?.content ?? {});
  if (!content?.schema || isReference(content.schema)) return [];
  const { properties = {}, required = Object.keys(properties).slice(0, 1) } = content.schema;
  return Object.entries(properties)
    .filter(([name]) => required.includes(name))
    .map(([name, schema]) => `-F ${quoted(`${name}=${isFile(schema) ? SOME_FILE : textOf(schema)}`)}`);
}

function textOf(schema: Schema): string {
  return String(exampleOf(schema, {}));
}

/** Streams as they come, what is no text into a file. */
function output({ responses }: ApiOperation): readonly string[] {
  const answer = responses['200'];
  if (!answer || isReference(answer)) return [];
  const [type = ''] = Object.keys(answer.content ?? {});
  if (type === 'text/event-stream') return ['-N'];
  const [, name] = /filename="(.*)"/.exec(answer.headers?.['Content-Disposition']?.example ?? '') ?? [];
  if (name !== undefined) return [`-o ${quoted(name)}`];
  return /^text\/|json$|xml$/.test(type) ? [] : ['-O'];
}

function isFile(schema: Schema): boolean {
  if (isReference(schema)) return false;
  return schema.format === 'binary' || (schema.items !== undefined && isFile(schema.items));
}

/** For a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
