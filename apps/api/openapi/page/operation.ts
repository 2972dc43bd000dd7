import { table } from '#reporting/formats/html/lists.js';
import { html, NEWLINE, type Markup, type Part } from '#reporting/formats/html/markup.js';
import type { ApiAnswer, ApiContent, ApiOperation, ApiParameter } from '../document-shape.js';
import { isReference } from '../examples.js';
import { curlLine, type CurlTarget } from './curl.js';
import { prose } from './prose.js';
import { fieldTable, typeOf } from './types.js';

/** An operation with its place in the document. */
export interface Placed {
  /** In lower case. */
  readonly method: string;
  readonly path: string;
  readonly operation: ApiOperation;
}

/** Everything about one operation. */
export function article({ method, path, operation }: Placed, target: CurlTarget): Markup {
  const { operationId, summary, description = '', parameters = [], requestBody } = operation;
  return html`<article id="${operationId}">
    <h3>${endpoint(method, path)} ${badges(operation)}</h3>
    <p>${prose(`${summary}.`)} ${prose(description)}</p>
    <pre class="curl"><code>${curlLine({ method, path, operation }, target)}</code></pre>
    ${parameterTable(parameters)} ${formTable(requestBody?.content ?? {})} ${answers(operation)}
  </article> `;
}

/** `GET /tasks/view/{id}`. */
export function endpoint(method: string, path: string): Markup {
  const pieces = path
    .split(/(\{\w+\})/)
    .map((piece) => (piece.startsWith('{') ? html`<var>${piece}</var>` : piece));
  return html`<span class="method ${method}">${method.toUpperCase()}</span> <code>${pieces}</code>`;
}

function badges({ security, deprecated }: ApiOperation): Part {
  const scopes = security.map(({ token: [scope] }) => html`<span class="scope">${scope}</span> `);
  return [scopes, deprecated ? html`<span class="old">deprecated</span>` : null];
}

/** As they are written: `{id}`, `?wait=`, `Last-Event-ID:`. */
const WRITTEN: Readonly<Record<ApiParameter['in'], (name: string) => string>> = {
  path: (name) => `{${name}}`,
  query: (name) => `?${name}=`,
  header: (name) => `${name}:`,
};

function parameterTable(parameters: readonly ApiParameter[]): Part {
  if (parameters.length === 0) return null;
  const rows = parameters.map(({ name, in: place, schema, description = '' }) => [
    html`<code>${WRITTEN[place](name)}</code>`,
    typeOf(schema),
    prose(description),
  ]);
  return table(['Parameter', 'Type', ''], rows);
}

function formTable(content: Readonly<Record<string, ApiContent>>): Part {
  const [schema] = Object.values(content).map((one) => one.schema);
  if (!schema) return null;
  return fieldTable('application/json' in content ? 'Field, of a form or in JSON' : 'Form field', schema);
}

/** Of an answer that several operations share only the status: what it means is told once. */
function answers({ responses }: ApiOperation): Part {
  const rows: Part[][] = [];
  const shared: string[] = [];
  const examples: unknown[] = [];
  for (const [status, answer] of Object.entries(responses)) {
    if (isReference(answer)) {
      shared.push(status);
      continue;
    }
    rows.push(answerRow(status, answer));
    if (status === '200') examples.push(...Object.values(answer.content ?? {}).map(({ example }) => example));
  }
  return [
    table(['Status', 'Answer'], rows),
    html`<p class="rest"><a href="#answers">As elsewhere</a>: ${shared.join(', ')}</p>`,
    examples.filter((example) => example !== undefined).map((example) => folded('Example', example)),
  ];
}

export function answerRow(status: string, { description, content = {} }: ApiAnswer): Part[] {
  const isError = 'application/problem+json' in content;
  const kinds = Object.entries(content).map(([type, { schema }]) => [
    type === 'application/json' && schema ? typeOf(schema) : html`<code>${type}</code>`,
    ' ',
  ]);
  return [status, [isError ? null : kinds, description === 'OK' ? null : prose(description)]];
}

/** A value, folded away. */
export function folded(title: string, value: unknown): Markup {
  const lines = (typeof value === 'string' ? value.trimEnd() : JSON.stringify(value, null, 2)).split('\n');
  return html`<details class="more">
    <summary>${title}</summary>
    <pre><code>${lines.map((line) => [line, NEWLINE])}</code></pre>
  </details>`;
}
