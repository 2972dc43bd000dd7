import type { ValueTransformer } from 'typeorm';

/**
 * Dates are text, `YYYY-MM-DD HH:MM:SS.mmm` in UTC, in every database: it sorts as time does, reads well in a SQL
 * shell, and no driver can shift it by a time zone.
 */
export const utcDate: ValueTransformer = {
  to: (value: unknown): unknown => (value instanceof Date ? utcText(value) : value),
  from: (value: unknown): unknown => (typeof value === 'string' ? dateOf(value) : value),
};

export function utcText(date: Date): string {
  return date.toISOString().slice(0, 23).replace('T', ' ');
}

export function dateOf(stored: string): Date {
  return new Date(`${stored.replace(' ', 'T')}Z`);
}

export function dateOrNull(stored: string | null): Date | null {
  return stored === null ? null : dateOf(stored);
}

/** PostgreSQL answers bigint as text. File sizes and epochs stay below 2^53. */
export const safeInteger: ValueTransformer = {
  to: (value: unknown): unknown => value,
  from: (value: unknown): unknown => (typeof value === 'string' ? Number(value) : value),
};

/** A list of words, or an object, as JSON text. */
export const json: ValueTransformer = {
  to: (value: unknown): unknown => (value === null || value === undefined ? value : JSON.stringify(value)),
  from: (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value),
};

/** Words as `,a,b,`: SQL finds one as `,a,`. */
export const commaList: ValueTransformer = {
  to: (value: unknown): unknown => (Array.isArray(value) ? `,${value.join(',')},` : value),
  from: (value: unknown): unknown => (typeof value === 'string' ? value.slice(1, -1).split(',') : value),
};

export const DATE = { type: 'varchar', length: 23, transformer: utcDate } as const;
