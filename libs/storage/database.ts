import type { DataSource } from 'typeorm';
import { DeliveryRow } from './entities/delivery.entity.js';
import { ErrorRow } from './entities/error.entity.js';
import { GuestRow } from './entities/guest.entity.js';
import { IdempotencyRow } from './entities/idempotency.entity.js';
import { MachineRow } from './entities/machine.entity.js';
import { SampleRow } from './entities/sample.entity.js';
import { SubmitRow } from './entities/submit.entity.js';
import { TagRow } from './entities/tag.entity.js';
import { TaskRow } from './entities/task.entity.js';
import { WorkerRow } from './entities/worker.entity.js';
import { WebhookRow } from './entities/webhook.entity.js';
import { Tables1700000000001 } from './migrations/0001-tables.js';
import { Submits1700000000002 } from './migrations/0002-submits.js';
import { Idempotency1700000000003 } from './migrations/0003-idempotency.js';
import { Webhooks1700000000004 } from './migrations/0004-webhooks.js';
import { TaskCounts1700000000005 } from './migrations/0005-task-counts.js';
import { Scheduling1700000000006 } from './migrations/0006-scheduling.js';
import { lookAtTables, openTables, type Schema } from './open-database.js';

const SCHEMA: Schema = {
  owner: 'a lab',
  sign: Tables1700000000001,
  entities: [
    ...[TaskRow, SampleRow, TagRow, GuestRow, ErrorRow, MachineRow],
    ...[SubmitRow, IdempotencyRow, WebhookRow, DeliveryRow, WorkerRow],
  ],
  migrations: [
    Tables1700000000001,
    Submits1700000000002,
    Idempotency1700000000003,
    Webhooks1700000000004,
    TaskCounts1700000000005,
    Scheduling1700000000006,
  ],
};

/** The database of tasks and samples; see `openTables`. */
export async function openDatabase(connection: string, timeoutMs?: number): Promise<DataSource> {
  return openTables(connection, SCHEMA, timeoutMs);
}

/** Looks at it and migrates nothing; see `lookAtTables`. */
export async function lookAtDatabase(connection: string, timeoutMs: number): ReturnType<typeof lookAtTables> {
  return lookAtTables(connection, SCHEMA, timeoutMs);
}

/** Opens what `[database]` of cuckoo.conf says: its `connection`, or the SQLite file when that is empty; `timeout` is in seconds. */
export async function openConfigured(
  { connection, timeout }: { readonly connection: string; readonly timeout: number },
  sqliteFile: string,
): Promise<DataSource> {
  return openDatabase(connection === '' ? `sqlite://${sqliteFile}` : connection, timeout * 1000);
}
