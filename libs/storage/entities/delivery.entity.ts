import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { TaskStatus } from '#domain/task.js';
import { DATE } from '../columns.js';

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One message of a webhook: made by a trigger, in the transaction that ends the task (see migrations/0004-webhooks.ts). */
@Entity('webhook_deliveries')
@Index('webhook_deliveries_due', ['state', 'webhookId', 'dueOn'])
@Index('webhook_deliveries_page', ['webhookId', 'id'])
export class DeliveryRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'integer', name: 'webhook_id' })
  webhookId!: number;

  /** 32 hex digits: the same however often it is sent. */
  @Column({ type: 'varchar', length: 32, name: 'message_id' })
  messageId!: string;

  /** The task may be deleted before its message is sent. */
  @Column({ type: 'integer', name: 'task_id' })
  taskId!: number;

  /** What the task became. */
  @Column({ type: 'varchar', length: 20 })
  status!: TaskStatus;

  @Column({ ...DATE, name: 'created_on' })
  createdOn!: Date;

  @Column({ type: 'varchar', length: 16 })
  state!: DeliveryState;

  /** Begun since it was made, or asked for again. */
  @Column({ type: 'integer' })
  attempts!: number;

  /** Of a pending one: the next attempt; while one goes on, when another process may take over. Of another: its removal. */
  @Column({ ...DATE, name: 'due_on' })
  dueOn!: Date;

  @Column({ ...DATE, name: 'attempted_on', nullable: true })
  attemptedOn!: Date | null;

  /** Status of the receiver's last answer. */
  @Column({ type: 'integer', name: 'last_status', nullable: true })
  lastStatus!: number | null;

  @Column({ type: 'text', name: 'last_error', nullable: true })
  lastError!: string | null;
}
