import { z } from 'zod';

/** What is read of the answers that Cuckoo does not have. Loose, as in answers.ts. */
export const machineState = z.looseObject({
  name: z.string(),
  label: z.string(),
  platform: z.string(),
  arch: z.string(),
  tags: z.array(z.string()),
  reserved: z.boolean(),
  manager: z.string(),
  state: z.string(),
  enabled: z.boolean(),
  /** ISO 8601, as every date here. */
  since: z.string().nullable(),
  reason: z.string().nullable(),
  next_test: z.string().nullable(),
  task_id: z.int().nullable(),
  worker: z.looseObject({ id: z.string(), name: z.string(), host: z.string() }).nullable(),
});
export type MachineState = z.infer<typeof machineState>;

export const machineStates = z.looseObject({ machines: z.array(machineState) });

const lane = z.looseObject({
  lane: z.string(),
  waiting: z.int(),
  oldest_seconds: z.int().nullable(),
});
export type Lane = z.infer<typeof lane>;

export const machineDetails = z.looseObject({
  machine: machineState.extend({
    last_error: z.looseObject({ reason: z.string(), at: z.string() }).nullable(),
    waiting: z.array(lane).nullable(),
  }),
});
export type MachineDetails = z.infer<typeof machineDetails>['machine'];

export const machineTest = z.looseObject({
  test: z.looseObject({
    id: z.string(),
    machine: z.string(),
    result: z
      .looseObject({
        ok: z.boolean(),
        /** Milliseconds. */
        phases: z.record(z.string(), z.number()),
        failed: z.looseObject({ phase: z.string().nullable(), reason: z.string() }).nullable(),
      })
      .nullable(),
  }),
});
export type MachineTest = z.infer<typeof machineTest>['test'];

const worker = z.looseObject({
  id: z.string(),
  name: z.string(),
  host: z.string(),
  version: z.string(),
  same_version: z.boolean(),
  silent_seconds: z.int(),
  alive: z.boolean(),
  paused: z.string().nullable(),
  draining: z.boolean(),
  machines: z.record(z.string(), z.int()),
});
export type Worker = z.infer<typeof worker>;

export const workerList = z.looseObject({ workers: z.array(worker) });
export const drained = z.looseObject({ workers: z.array(z.string()) });

export const schedulerStatus = z.looseObject({
  version: z.string(),
  tasks: z.record(z.string(), z.int()),
  machines: z.record(z.string(), z.int()),
  quarantined: z.array(machineState),
  workers: z.array(worker),
  lanes: z.array(lane).nullable(),
  processing: z.looseObject({ waiting: z.int(), active: z.int() }).nullable(),
});
export type SchedulerStatus = z.infer<typeof schedulerStatus>;

const failedTask = z.looseObject({
  id: z.int(),
  status: z.string(),
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  attempts: z.int(),
  machines: z.array(z.string()),
  completed_on: z.string().nullable(),
  target: z.string(),
});
export type FailedTask = z.infer<typeof failedTask>;

export const failedList = z.looseObject({
  tasks: z.array(failedTask),
  next_cursor: z.string().nullable(),
});

export const retried = z.looseObject({
  retried: z.array(z.looseObject({ retried_id: z.int(), task_id: z.int() })),
  refused: z.array(z.looseObject({ task_id: z.int(), message: z.string() })),
  next_cursor: z.string().nullable(),
});
export type Retried = z.infer<typeof retried>;

export const anything = z.looseObject({});
