import { z } from 'zod';
import { TASK_STATUSES } from '#domain/task.js';
import { GUEST_STATUSES } from '#storage/entities/guest.entity.js';
import { GUEST_EXAMPLE, SAMPLE_EXAMPLE, TASK_EXAMPLE } from './task-examples.js';

/** As plainDate writes it. */
export const date = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  .meta({
    description: "`YYYY-MM-DD HH:MM:SS` in the server's time zone.",
    examples: ['2026-03-02 09:14:05'],
  });

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));

export const taskStatus = z
  .enum(TASK_STATUSES)
  .describe(
    '`pending` → `running` → `completed` (its report is being written) → `reported`, or one of `failed_…`. ' +
      '`recovered`: another task took its place.',
  );

export const sample = z
  .object({
    id: z.int(),
    file_size: z.int().describe('Bytes.'),
    file_type: z.string().describe('What libmagic calls it.'),
    md5: hex(32),
    crc32: z
      .string()
      .regex(/^[0-9A-F]{8}$/)
      .describe('Upper case, unlike the others.'),
    sha1: hex(40),
    sha256: hex(64),
    sha512: hex(128),
    ssdeep: z.string().nullable(),
  })
  .meta({
    id: 'Sample',
    description: 'A distinct file: submitted again, it is the same sample.',
    examples: [SAMPLE_EXAMPLE],
  });

export const guest = z
  .object({
    id: z.int(),
    name: z.string(),
    label: z.string(),
    manager: z.string().describe('Kind of machinery.'),
    status: z.enum(GUEST_STATUSES),
    started_on: date,
    shutdown_on: date.nullable(),
    task_id: z.int(),
  })
  .meta({
    id: 'Guest',
    description: 'The machine that a task ran on.',
    examples: [GUEST_EXAMPLE],
  });

/** What is sent of an object that is not there. */
const none = z.strictObject({});

export const task = z
  .object({
    id: z.int().describe('From 1, increasing, never used again.'),
    category: z
      .enum(['file', 'url', 'archive'])
      .describe('`archive`: the option `filename` names the member that is run.'),
    target: z.string().describe('The URL, or a path that ends with the submitted name.'),
    package: z.string().nullable(),
    timeout: z.int().describe('Seconds; 0: the configured default.'),
    priority: z.int(),
    custom: z.string().nullable(),
    owner: z.string().nullable(),
    machine: z.string().nullable().describe('Asked for; `guest` tells the one it ran on.'),
    platform: z.string().nullable(),
    options: z.string().nullable().describe('`key=value,key=value`.'),
    tags: z.array(z.string()).readonly(),
    memory: z.boolean(),
    enforce_timeout: z.boolean(),
    clock: date,
    added_on: date,
    started_on: date.nullable(),
    completed_on: date.nullable().describe('When the analysis was done; the report comes later.'),
    status: taskStatus,
    sample_id: z.int().nullable().describe('`null` for a URL.'),
    submit_id: z.int().nullable().describe('Of `POST /tasks/create/submit`.'),
    processing: z.null(),
    route: z.string().nullable(),
    duration: z.int().describe('Seconds; -1 until it is over.'),
    guest: z.union([guest, none]).describe('`{}` until a machine was started.'),
    errors: z.array(z.string()).readonly().describe('What went wrong, oldest first.'),
    sample: z.union([sample, none]).describe('`{}` for a URL.'),
  })
  .meta({ id: 'Task', examples: [TASK_EXAMPLE] });

export type GuestView = z.infer<typeof guest>;
export type SampleView = z.infer<typeof sample>;
export type TaskView = z.infer<typeof task>;
