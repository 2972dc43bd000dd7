import { z } from 'zod';
import { TASK_STATUSES } from '#domain/task.js';

/** What is read of the REST API's answers. Loose: `--json` prints whatever else a server says. */
export const created = z.looseObject({ task_id: z.int() });

export const problem = z.looseObject({
  message: z.string(),
  /** A row of docs/errors.md, when the server is one of ours. */
  code: z.string().optional(),
});

const taskBody = z.looseObject({
  id: z.int(),
  category: z.string(),
  /** A URL, or a path of the server whose last part is the submitted name. */
  target: z.string(),
  status: z.enum(TASK_STATUSES),
  package: z.string().nullish(),
  timeout: z.number(),
  priority: z.number(),
  custom: z.string().nullish(),
  owner: z.string().nullish(),
  machine: z.string().nullish(),
  platform: z.string().nullish(),
  /** Text here, an object in Cuckoo 2. */
  options: z.unknown(),
  tags: z.array(z.string()),
  memory: z.boolean(),
  enforce_timeout: z.boolean(),
  added_on: z.string(),
  started_on: z.string().nullish(),
  completed_on: z.string().nullish(),
  /** Seconds; -1 until it is known. */
  duration: z.number().optional(),
  route: z.string().nullish(),
  guest: z.looseObject({ name: z.string().optional(), manager: z.string().optional() }),
  errors: z.array(z.string()),
  sample: z
    .looseObject({
      sha256: z.string().optional(),
      file_size: z.number().optional(),
      file_type: z.string().optional(),
    })
    .optional(),
});
export type TaskBody = z.infer<typeof taskBody>;

export const taskView = z.looseObject({ task: taskBody });
export const taskList = z.looseObject({ tasks: z.array(taskBody) });

/** Null where a task that does not wait has nothing to tell. */
export const explanation = z.looseObject({
  task_id: z.int(),
  status: z.string(),
  reason: z.string(),
  message: z.string(),
  lane: z.string().nullable(),
  ahead: z.int().nullable(),
  position: z.int().nullable(),
  machines: z.looseObject({ matching: z.int(), free: z.int() }).nullable(),
  estimate: z.looseObject({ start_in_seconds: z.number().nullable() }).nullable(),
  outcome: z.string().nullish(),
  attempts: z.int().optional(),
  last_error: z.string().nullish(),
});

const disk = z.looseObject({ free: z.number(), total: z.number() });

export const daemonStatus = z.looseObject({
  version: z.string(),
  hostname: z.string(),
  machines: z.looseObject({ total: z.int(), available: z.int() }),
  tasks: z.looseObject({
    pending: z.int(),
    running: z.int(),
    completed: z.int(),
    reported: z.int(),
    /** Failed and recovered ones too. */
    total: z.int(),
  }),
  diskspace: z.looseObject({ analyses: disk.optional() }).optional(),
  cpuload: z.array(z.number()).optional(),
  cpu_count: z.int().nullish(),
  /** Percent in use. */
  memory: z.number().nullish(),
});

export type DaemonStatus = z.infer<typeof daemonStatus>;

export const ok = z.looseObject({ status: z.string() });

/** Of some kinds, such as `missed`, little is known but the kind; there may be more with each version. */
export const taskEvent = z.looseObject({
  task: z.int().optional(),
  /** ISO 8601, UTC. */
  at: z.string().optional(),
  kind: z.string(),
  status: z.enum(TASK_STATUSES).optional(),
  phase: z.string().optional(),
  /** A phase with it is over, one without begins. */
  ms: z.number().optional(),
  machine: z.string().optional(),
});
export type TaskEvent = z.infer<typeof taskEvent>;
