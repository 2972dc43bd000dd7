import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { DATE } from '../columns.js';

export const GUEST_STATUSES = ['init', 'starting', 'running', 'stopping', 'stopped', 'failed'] as const;
export type GuestStatus = (typeof GUEST_STATUSES)[number];

/** The machine a task ran on: at most one per task. */
@Entity('guests')
export class GuestRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'varchar', length: 16 })
  status!: GuestStatus;

  @Column({ type: 'varchar', length: 255 })
  name!: string;

  @Column({ type: 'varchar', length: 255 })
  label!: string;

  /** Kind of machinery. */
  @Column({ type: 'varchar', length: 255 })
  manager!: string;

  @Column({ ...DATE, name: 'started_on' })
  startedOn!: Date;

  @Column({ ...DATE, name: 'shutdown_on', nullable: true })
  shutdownOn!: Date | null;

  @Column({ type: 'integer', name: 'task_id', unique: true })
  taskId!: number;
}
