import { z } from 'zod';
import type { Scope } from '#domain/scope.js';
import type { NeededScope } from '../../http/access/needs.js';
import type { Schemas } from './operation.js';

/** Every scope that an operation may need, as the values of its path's parameters decide. */
export function scopesOf(needs: NeededScope = 'admin', path: Schemas): readonly Scope[] {
  if (needs === 'none') return [];
  if (typeof needs === 'string') return [needs];
  const given = Object.entries(path).flatMap(([name, schema]) =>
    schema instanceof z.ZodEnum ? schema.options.map((value) => ({ [name]: String(value) })) : [],
  );
  return [...new Set((given.length > 0 ? given : [{}]).map(needs))];
}
