import { z } from 'zod';

export const file = z.file().describe('The sample. Its file name is the name it has in the guest.');

/** What every task may ask for. Empty text and `None` mean "not given". */
export const wishes = {
  timeout: z
    .int()
    .min(0)
    .meta({ description: 'Seconds it may run; 0: the configured default.', examples: [60] }),
  priority: z.int().meta({ description: 'Larger runs first; 1 unless given.', examples: [2] }),
  options: z.string().meta({
    description: '`name=value,name2=value2`, for the package and the guest.',
    examples: ['free=yes,route=drop'],
  }),
  tags: z.string().meta({ description: 'The machine must have all of these.', examples: ['x64,office'] }),
  custom: z
    .string()
    .meta({ description: 'Any text: it comes back in the task and the report.', examples: ['case 7'] }),
  owner: z.string().meta({ description: 'Tasks can be listed by it.', examples: ['mail-gateway'] }),
  memory: z.boolean().meta({ description: 'Dump the memory of the machine at the end.', examples: [false] }),
  enforce_timeout: z
    .boolean()
    .meta({ description: 'Run for the whole time, even when nothing runs any more.', examples: [false] }),
  clock: z
    .string()
    .meta({ description: "The guest's date, as `MM-DD-YYYY HH:MM:SS`.", examples: ['12-31-2026 23:59:00'] }),
};

/** What a task of one file or URL may ask for as well. */
export const place = {
  package: z.string().meta({ description: 'How to run it; else its type decides.', examples: ['generic'] }),
  machine: z.string().meta({
    description: 'Name or label of the machine; platform, arch and tags then do not count.',
    examples: ['linux1'],
  }),
  platform: z.string().meta({ description: 'Of the machine.', examples: ['linux'] }),
  arch: z.string().meta({
    description: "Of the machine's processor: x64, x86, arm64 …; an x64 machine also runs what asks for x86.",
    examples: ['x64'],
  }),
};

export const unique = z
  .boolean()
  .meta({ description: 'Refuse a file that was ever submitted before.', examples: [false] });

export function optional(fields: Readonly<Record<string, z.ZodType>>): Readonly<Record<string, z.ZodType>> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.optional()]));
}
