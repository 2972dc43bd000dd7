import { html, type Part } from '#reporting/formats/html/markup.js';
import { table } from '#reporting/formats/html/lists.js';
import type { Schema } from '../document-shape.js';
import { isReference } from '../examples.js';
import { prose } from './prose.js';

/** What values a schema takes, for people: `integer`, `Task or {}`, a list of words. */
export function typeOf(schema: Schema): Part {
  if (isReference(schema)) {
    const name = schema.$ref.replace(/^.*\//, '');
    return html`<a href="#${name}">${name}</a>`;
  }
  const { type, anyOf, items, enum: values, properties = {}, format } = schema;
  if (anyOf) return join(anyOf.map(typeOf), ' or ');
  if (values) return values.map((value) => html`<code>${String(value)}</code> `);
  if (schema.const !== undefined) return html`<code>${String(schema.const)}</code>`;
  if (format === 'binary') return 'file';
  if (items) return ['list of ', 'anyOf' in items ? ['(', typeOf(items), ')'] : typeOf(items)];
  if (type === 'object') return objectType(properties);
  return [[type ?? 'any'].flat().join(' or '), range(schema.minimum, schema.maximum)];
}

/** The keys of an object, or the fields of a form, which need not all be there. */
export function fieldTable(title: string, schema: Schema): Part {
  if (isReference(schema)) return null;
  const { properties = {}, required = [] } = schema;
  const mark = required.length < Object.keys(properties).length ? html` <small>required</small>` : null;
  const rows = Object.entries(properties).map(([name, one]) => [
    [html`<code>${name}</code>`, required.includes(name) ? mark : null],
    typeOf(one),
    isReference(one) ? null : prose(one.description ?? ''),
  ]);
  return table([title, 'Type', ''], rows);
}

function objectType(properties: Readonly<Record<string, Schema>>): Part {
  const parts = Object.entries(properties).map(([name, one]) => [html`<code>${name}</code>: `, typeOf(one)]);
  return parts.length === 0 ? html`<code>{}</code>` : ['{ ', join(parts, ', '), ' }'];
}

function range(minimum: number | undefined, maximum: number | undefined): Part {
  if (minimum === undefined) return null;
  return maximum === undefined ? `, ${minimum} or more` : `, ${minimum} to ${maximum}`;
}

function join(parts: readonly Part[], between: string): Part {
  return parts.flatMap((part, index) => (index === 0 ? [part] : [between, part]));
}
