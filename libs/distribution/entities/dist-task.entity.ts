import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { DATE, json, safeInteger } from '#storage/columns.js';
import type { DistState } from '../task.js';

@Entity('dist_tasks')
export class DistTaskRow {
  /** Never given twice, not even after a delete. */
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  /** `dist:<32 hex digits>`: the owner of the task on its node, by which it is found there. */
  @Column({ type: 'varchar', length: 64, unique: true })
  mark!: string;

  @Column({ type: 'varchar', length: 16 })
  state!: DistState;

  /** Grows with each move: who has an older one may not write. */
  @Column({ type: 'integer' })
  epoch!: number;

  @Column({ type: 'varchar', length: 8 })
  category!: 'file' | 'url';

  @Column({ type: 'text' })
  target!: string;

  @Column({ type: 'varchar', length: 64, nullable: true })
  sha256!: string | null;

  @Column({ type: 'text', nullable: true })
  package!: string | null;

  @Column({ type: 'integer' })
  timeout!: number;

  @Column({ type: 'integer' })
  priority!: number;

  @Column({ type: 'text', nullable: true })
  options!: string | null;

  @Column({ type: 'text', nullable: true })
  machine!: string | null;

  @Column({ type: 'text', nullable: true })
  platform!: string | null;

  @Column({ type: 'text', nullable: true })
  arch!: string | null;

  @Column({ type: 'text', transformer: json })
  tags!: readonly string[];

  @Column({ type: 'text', nullable: true })
  custom!: string | null;

  @Column({ type: 'text', nullable: true })
  owner!: string | null;

  @Column({ type: 'boolean' })
  memory!: boolean;

  @Column({ type: 'boolean', name: 'enforce_timeout' })
  enforceTimeout!: boolean;

  @Column({ ...DATE, nullable: true })
  clock!: Date | null;

  /** What it needs of a machine, and the node it is pinned to: tasks of one lane are interchangeable. */
  @Column({ type: 'text' })
  lane!: string;

  /** Smaller goes first: milliseconds of its submission, less a head start for each step of priority. */
  @Column({ type: 'bigint', transformer: safeInteger })
  rank!: number;

  /** It may run on `nodeId` only. */
  @Column({ type: 'boolean' })
  pinned!: boolean;

  @Column({ type: 'integer', name: 'node_id', nullable: true })
  nodeId!: number | null;

  /** Its id on the node. */
  @Column({ type: 'integer', name: 'remote_id', nullable: true })
  remoteId!: number | null;

  /** It failed, and its copy on the node was left there: who deletes it deletes that too. */
  @Column({ type: 'boolean' })
  remains!: boolean;

  /** Times it was handed to a node, or may have been. */
  @Column({ type: 'integer' })
  attempts!: number;

  /** Nodes that refused or lost it: another one is tried first. */
  @Column({ type: 'text', transformer: json })
  avoid!: readonly number[];

  /** When it was last begun to be sent. */
  @Column({ ...DATE, name: 'sent_on', nullable: true })
  sentOn!: Date | null;

  /** Why it failed, or why its last attempt came to nothing. */
  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  @Column({ ...DATE, name: 'submitted_on' })
  submittedOn!: Date;

  /** When a node had it. */
  @Column({ ...DATE, name: 'delegated_on', nullable: true })
  delegatedOn!: Date | null;

  /** When it began to run there, by the node's clock. */
  @Column({ ...DATE, name: 'started_on', nullable: true })
  startedOn!: Date | null;

  /** When it ended here: its reports were here, or it failed. */
  @Column({ ...DATE, name: 'completed_on', nullable: true })
  completedOn!: Date | null;
}

/** A report that is in the reports folder, whole. */
@Entity('dist_reports')
export class DistReportRow {
  @Column({ type: 'integer', name: 'task_id', primary: true })
  taskId!: number;

  /** As it was asked for: `json`, `html` …; `pcap` is the capture. */
  @Column({ type: 'varchar', length: 64, primary: true })
  format!: string;

  /** Bytes. */
  @Column({ type: 'bigint', transformer: safeInteger })
  size!: number;

  @Column({ type: 'varchar', length: 64 })
  sha256!: string;
}

/** What is still to be deleted on a node: the copy of a task that is done, deleted, or was given up there. */
@Entity('dist_removals')
export class RemovalRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'integer', name: 'node_id' })
  nodeId!: number;

  /** Null: it may be there; look for `mark`. */
  @Column({ type: 'integer', name: 'remote_id', nullable: true })
  remoteId!: number | null;

  @Column({ type: 'varchar', length: 64 })
  mark!: string;

  @Column({ ...DATE, name: 'created_on' })
  createdOn!: Date;

  @Column({ type: 'integer' })
  attempts!: number;

  @Column({ ...DATE, name: 'due_on' })
  dueOn!: Date;

  @Column({ type: 'text', name: 'last_error', nullable: true })
  lastError!: string | null;
}

/** What a node said of itself, one a minute, for GET /stats. */
@Entity('node_statuses')
export class NodeStatusRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'integer', name: 'node_id' })
  nodeId!: number;

  @Column({ ...DATE })
  timestamp!: Date;

  @Column({ type: 'text', transformer: json })
  status!: Record<string, unknown>;
}
