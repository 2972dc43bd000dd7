import { z } from 'zod';

/** What is read of the answers of the Distributed API. Loose, as in answers.ts: older ones have less. */
export const node = z.looseObject({
  name: z.string(),
  url: z.string(),
  enabled: z.boolean(),
  mode: z.string(),
  machines: z.array(
    z.looseObject({ name: z.string(), platform: z.string().nullish(), tags: z.array(z.string()) }),
  ),
  dialect: z.string().optional(),
  has_token: z.boolean().optional(),
  /** `YYYY-MM-DD HH:MM:SS`, as every date here. */
  last_seen: z.string().nullish(),
  last_error: z.string().nullish(),
  retry_on: z.string().nullish(),
  tasks: z.looseObject({ assigned: z.int(), processing: z.int() }).optional(),
});
export type Node = z.infer<typeof node>;

export const nodes = z.looseObject({ nodes: z.record(z.string(), node) });

export const done = z.looseObject({ success: z.literal(true) });

/** `failed`: tasks that could run nowhere else. */
export const removed = done.extend({ failed: z.int().optional() });

/** A line of a check. */
export const finding = z.object({
  check: z.string(),
  status: z.enum(['ok', 'warn', 'fail', 'skipped']),
  found: z.string(),
  fix: z.string().nullable(),
});
