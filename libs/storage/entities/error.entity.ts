import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/** What went wrong with a task, for people. */
@Entity('errors')
export class ErrorRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'varchar', length: 64, nullable: true })
  action!: string | null;

  @Column({ type: 'text' })
  message!: string;

  @Index('errors_task')
  @Column({ type: 'integer', name: 'task_id' })
  taskId!: number;
}
