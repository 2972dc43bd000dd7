import { z } from 'zod';
import { MACHINE_STATES } from '#domain/machine.js';
import { TASK_STATUSES } from '#domain/task.js';
import { instant, lane, machineStateView } from './machine-state-schema.js';

const byState = z.record(z.enum(MACHINE_STATES), z.int());

const WORKER = {
  id: 'lab/4100/77120/lab',
  name: 'lab',
  host: 'lab',
  version: '0.1.0',
  same_version: true,
  started_on: '2026-03-02T08:00:00.000Z',
  heartbeat_on: '2026-03-02T09:15:12.000Z',
  silent_seconds: 2,
  alive: true,
  paused: null,
  draining: false,
  machines: { ready: 3, free: 0, leased: 1, restoring: 0, quarantined: 0, disabled: 0 },
};

export const worker = z
  .object({
    id: z.string().describe('Of the process: another one after a restart.'),
    name: z.string().describe('Stays over restarts.'),
    host: z.string(),
    version: z.string(),
    same_version: z.boolean().describe("Is it this API's?"),
    started_on: instant,
    heartbeat_on: instant.describe('The last sign of life.'),
    silent_seconds: z.int().describe('Since then.'),
    alive: z.boolean().describe('False: its tasks are about to be taken away.'),
    paused: z.string().nullable().describe('Why it takes no task though a machine may be free.'),
    draining: z.boolean().describe('It ends after the tasks that it runs.'),
    machines: byState,
  })
  .meta({ id: 'Worker', examples: [WORKER] });

export const schedulerStatus = z
  .object({
    version: z.string().describe("This API's."),
    tasks: z.record(z.enum([...TASK_STATUSES, 'total']), z.int()),
    machines: byState,
    quarantined: z.array(machineStateView),
    workers: z.array(worker),
    lanes: z.array(lane).nullable().describe('Tasks that wait for a machine; `null` while Redis is away.'),
    processing: z
      .object({ waiting: z.int(), active: z.int() })
      .nullable()
      .describe('Tasks that wait for their report, and those whose report is being written.'),
  })
  .meta({
    id: 'SchedulerStatus',
    examples: [
      {
        version: '0.1.0',
        tasks: {
          ...{ pending: 2, running: 1, completed: 0, reported: 160, recovered: 1, total: 170 },
          ...{ failed_analysis: 5, failed_processing: 1, failed_reporting: 0 },
        },
        machines: WORKER.machines,
        quarantined: [],
        workers: [WORKER],
        lanes: [{ lane: 'platform=windows', waiting: 2, oldest_seconds: 42 }],
        processing: { waiting: 0, active: 1 },
      },
    ],
  });

export type WorkerView = z.infer<typeof worker>;
export type SchedulerStatus = z.infer<typeof schedulerStatus>;
export type ByState = z.infer<typeof byState>;
