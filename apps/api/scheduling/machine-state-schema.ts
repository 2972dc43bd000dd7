import { z } from 'zod';
import { TEST_PHASES } from '#domain/machine-test.js';
import { MACHINE_STATES } from '#domain/machine.js';

/** Nothing of Cuckoo's looks at these: they can be compared, and say their time zone. */
export const instant = z
  .string()
  .meta({ description: 'ISO 8601, UTC.', examples: ['2026-03-02T09:15:12.000Z'] });

export const machineState = z.enum(MACHINE_STATES).meta({
  description:
    '`ready` (restored) and `free` (off) ones take the next task; `leased`: a task has it; `restoring`: it is being made ' +
    'ready, or tested; `quarantined`: it failed, and is tested again; `disabled`: taken out, or its worker has ended.',
});

const EXAMPLE = {
  name: 'linux1',
  label: 'linux1',
  platform: 'linux',
  arch: 'x64',
  tags: ['x64'],
  reserved: false,
  manager: 'qemu',
  state: 'quarantined',
  enabled: true,
  since: '2026-03-02T09:15:12.000Z',
  reason: 'linux1: snapshot "clean" did not load',
  next_test: '2026-03-02T09:15:16.000Z',
  task_id: null,
  worker: { id: 'lab/4100/77120/lab', name: 'lab', host: 'lab' },
};

const ofMachine = z.object({
  name: z.string(),
  label: z.string().describe('What the hypervisor calls it.'),
  platform: z.string(),
  arch: z.string(),
  tags: z.array(z.string()),
  reserved: z.boolean().describe('Only for tasks that ask for it, by its name or one of its tags.'),
  manager: z.string().describe('Kind of machinery.'),
  state: machineState,
  enabled: z.boolean().describe('What an operator wants; it stays over restarts.'),
  since: instant.nullable().describe('Of the state.'),
  reason: z.string().nullable().describe('Why it is quarantined, or has no worker.'),
  next_test: instant.nullable().describe('When a quarantined one is tested again.'),
  task_id: z.int().nullable().describe('The task that has it.'),
  worker: z
    .object({ id: z.string(), name: z.string(), host: z.string() })
    .nullable()
    .describe('The process that has it.'),
});

export const machineStateView = ofMachine.meta({ id: 'MachineState', examples: [EXAMPLE] });

export const lane = z.object({
  lane: z.string().describe('What its tasks ask for.'),
  waiting: z.int().describe('Tasks.'),
  oldest_seconds: z.int().nullable().describe('How long the oldest of the next ones waits.'),
});

export const machineDetails = ofMachine
  .extend({
    last_error: z
      .object({ reason: z.string(), at: instant })
      .nullable()
      .describe('Why it failed last, however well it works now.'),
    waiting: z.array(lane).nullable().describe('What waits that it could run; `null` while Redis is away.'),
  })
  .meta({
    id: 'MachineDetails',
    examples: [
      {
        ...EXAMPLE,
        last_error: { reason: EXAMPLE.reason, at: EXAMPLE.since },
        waiting: [{ lane: 'any', waiting: 3, oldest_seconds: 42 }],
      },
    ],
  });

export const machineTest = z
  .object({
    id: z.string(),
    machine: z.string(),
    asked_on: instant,
    result: z
      .object({
        ok: z.boolean(),
        phases: z.partialRecord(z.enum(TEST_PHASES), z.int()).describe('Milliseconds.'),
        failed: z
          .object({ phase: z.enum(TEST_PHASES).nullable(), reason: z.string() })
          .nullable()
          .describe('Where it failed (`null`: before it began) and why.'),
      })
      .nullable()
      .describe('`null` until it has ended.'),
  })
  .meta({
    id: 'MachineTest',
    examples: [
      {
        id: '2c1f6f2e-2f5a-4c9f-8d57-4f6f3a0c1d11',
        machine: 'linux1',
        asked_on: '2026-03-02T09:15:12.000Z',
        result: { ok: true, phases: { restore: 62, start: 3, agent: 71, stop: 20, ready: 65 }, failed: null },
      },
    ],
  });

export type MachineStateView = z.infer<typeof machineStateView>;
export type MachineDetailsView = z.infer<typeof machineDetails>;
export type LaneView = z.infer<typeof lane>;
export type MachineTestView = z.infer<typeof machineTest>;
