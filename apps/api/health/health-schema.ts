import { z } from 'zod';

export const live = z.object({ status: z.literal('live') });

export const ready = z
  .object({
    status: z.enum(['ready', 'not ready']),
    checks: z
      .record(
        z.string(),
        z.object({
          ok: z.boolean(),
          ms: z.number().describe('How long it took.'),
          why: z.string().optional().describe('What is wrong, or why there is nothing to check.'),
        }),
      )
      .optional()
      .describe('By name; only for who needs no token, or has one with the scope `read`.'),
    warnings: z.array(z.string()).optional().describe('What an operator should know all the same.'),
  })
  .meta({
    id: 'Readiness',
    examples: [
      {
        status: 'not ready',
        checks: {
          database: { ok: true, ms: 0.8 },
          redis: { ok: false, ms: 0.1, why: 'Redis does not answer' },
        },
        warnings: [],
      },
    ],
  });
