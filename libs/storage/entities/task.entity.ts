import {
  Column,
  Entity,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  PrimaryGeneratedColumn,
} from 'typeorm';
import type { OutcomeCode } from '#domain/outcome.js';
import type { TaskCategory, TaskStatus } from '#domain/task.js';
import { DATE, json, safeInteger } from '../columns.js';
import { SampleRow } from './sample.entity.js';
import { TagRow } from './tag.entity.js';

/** Columns are Cuckoo's; from `worker` on they are ours: who runs the task, and whether that one still lives. */
@Entity('tasks')
export class TaskRow {
  /** Also the name of the analysis folder. Never given twice, not even after a delete. */
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'text' })
  target!: string;

  @Column({ type: 'varchar', length: 16 })
  category!: TaskCategory;

  @Column({ type: 'integer', default: 0 })
  timeout!: number;

  @Column({ type: 'integer', default: 1 })
  priority!: number;

  @Column({ type: 'text', nullable: true })
  custom!: string | null;

  @Column({ type: 'text', nullable: true })
  owner!: string | null;

  @Column({ type: 'text', nullable: true })
  machine!: string | null;

  @Column({ type: 'text', nullable: true })
  package!: string | null;

  @ManyToMany(() => TagRow)
  @JoinTable({
    name: 'tasks_tags',
    joinColumn: { name: 'task_id' },
    inverseJoinColumn: { name: 'tag_id' },
  })
  tags!: TagRow[];

  @Column({ type: 'text', nullable: true })
  options!: string | null;

  @Column({ type: 'text', nullable: true })
  platform!: string | null;

  @Column({ type: 'text', nullable: true })
  arch!: string | null;

  @Column({ type: 'boolean', default: false })
  memory!: boolean;

  @Column({ type: 'boolean', name: 'enforce_timeout', default: false })
  enforceTimeout!: boolean;

  @Column({ ...DATE, nullable: true })
  clock!: Date | null;

  @Column({ ...DATE, name: 'added_on' })
  addedOn!: Date;

  @Column({ ...DATE, name: 'started_on', nullable: true })
  startedOn!: Date | null;

  @Column({ ...DATE, name: 'completed_on', nullable: true })
  completedOn!: Date | null;

  @Column({ type: 'varchar', length: 20, default: 'pending' })
  status!: TaskStatus;

  @Column({ type: 'integer', name: 'sample_id', nullable: true })
  sampleId!: number | null;

  @ManyToOne(() => SampleRow)
  @JoinColumn({ name: 'sample_id' })
  sample!: SampleRow | null;

  /** The request it came with, when that may make several tasks. */
  @Column({ type: 'integer', name: 'submit_id', nullable: true })
  submitId!: number | null;

  @Column({ type: 'text', nullable: true })
  route!: string | null;

  @Column({ type: 'text', nullable: true })
  submitter!: string | null;

  @Column({ type: 'varchar', length: 40, nullable: true })
  outcome!: OutcomeCode | null;

  /** Machines it failed on through no fault of its own: others are tried first. */
  @Column({ type: 'text', nullable: true, transformer: json })
  avoid!: readonly string[] | null;

  @Column({ type: 'text', nullable: true })
  worker!: string | null;

  /** Runs begun and not handed back. */
  @Column({ type: 'integer', default: 0 })
  attempt!: number;

  /** Grows with each claim: a worker that lost its task cannot end the run of the next one. */
  @Column({ type: 'bigint', default: 0, transformer: safeInteger })
  epoch!: number;
}
