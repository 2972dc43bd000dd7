import { z } from 'zod';
import { isTechnique, TECHNIQUES, type TechniqueId } from './attack.js';
import { parseCondition } from './rule-condition.js';
import { problem, quoted, record, RuleError, type Where } from './rule-error.js';
import type { Rule } from './signature.js';

const FIELDS = ['name', 'description', 'severity', 'families', 'references', 'ttp', 'when'] as const;

const about = {
  name: z.string().regex(/^[a-z][a-z0-9_]{2,63}$/, 'a name of lower-case words joined by "_"'),
  description: z.string().min(8, 'a sentence').max(200, 'at most 200 characters'),
  severity: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)], {
    error: '1, 2, 3, 4 or 5',
  }),
  families: z.array(z.string().min(1), { error: 'a list of names' }).default([]),
  references: z.array(z.url(), { error: 'a list of URLs' }).default([]),
};

function field<T>(schema: z.ZodType<T>, value: unknown, where: Where): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  return problem(where, `must be ${result.error.issues[0]?.message ?? 'valid'}, not ${quoted(value)}`);
}

function techniques(value: unknown, where: Where): readonly TechniqueId[] {
  const ids = field(
    z.array(z.string(), { error: 'a list of ATT&CK technique ids' }).default([]),
    value,
    where,
  );
  return ids.map((id) => {
    if (isTechnique(id)) return id;
    return problem(where, `names a technique that attack.ts does not know: ${quoted(id)}`, id, [
      ...TECHNIQUES.keys(),
    ]);
  });
}

/**
 * Checks one rule as read from YAML.
 *
 * @param file its name, for messages
 * @throws RuleError that names the file, the rule, the field, what is accepted and the nearest known key
 */
export function parseRule(document: unknown, file: string): Rule {
  const start: Where = { file, rule: '', path: '' };
  const raw = record(document, start, FIELDS);
  const name = field(about.name, raw['name'], { ...start, path: 'name' });
  const at = (path: string): Where => ({ file, rule: name, path });
  return {
    name,
    description: field(about.description, raw['description'], at('description')),
    severity: field(about.severity, raw['severity'], at('severity')),
    families: field(about.families, raw['families'], at('families')),
    references: field(about.references, raw['references'], at('references')),
    ttp: techniques(raw['ttp'], at('ttp')),
    when: parseCondition(raw['when'], at('when')),
  };
}

export { RuleError };
