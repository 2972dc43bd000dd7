import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import type { TaskStatus } from '#domain/task.js';
import { commaList, DATE } from '../columns.js';

/** Somebody who is told when a task ends. */
@Entity('webhooks')
export class WebhookRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'text' })
  url!: string;

  /** `whsec_` and base64: what messages are signed with. */
  @Column({ type: 'text' })
  secret!: string;

  /** The statuses it is told of. */
  @Column({ type: 'text', transformer: commaList })
  statuses!: TaskStatus[];

  @Column({ ...DATE, name: 'created_on' })
  createdOn!: Date;

  /** Its receiver answered that it is gone: it is told of nothing more. */
  @Column({ ...DATE, name: 'disabled_on', nullable: true })
  disabledOn!: Date | null;
}
