import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { DATE, json } from '#storage/columns.js';

/** An independent sandbox that is reached over its REST API. */
@Entity('nodes')
export class NodeRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'text', unique: true })
  name!: string;

  /** Base of its REST API, with a slash at the end. */
  @Column({ type: 'text', unique: true })
  url!: string;

  /** What it wants in the Authorization header, never shown; null: nothing. */
  @Column({ type: 'text', nullable: true })
  token!: string | null;

  /** `malkoha`, `cuckoo` or `cape`. */
  @Column({ type: 'varchar', length: 16 })
  dialect!: string;

  /** A disabled one is given no more tasks; what it has is brought to its end. */
  @Column({ type: 'boolean' })
  enabled!: boolean;

  /** Those that are not `normal` are given only tasks that are pinned to them. */
  @Column({ type: 'varchar', length: 64 })
  mode!: string;

  @Column({ ...DATE, name: 'created_on' })
  createdOn!: Date;

  /** Its last good answer. */
  @Column({ ...DATE, name: 'seen_on', nullable: true })
  seenOn!: Date | null;

  /** Calls that failed since then: at three the breaker opens. */
  @Column({ type: 'integer' })
  failures!: number;

  /** While it is later than now the breaker is open: the node is not called. */
  @Column({ ...DATE, name: 'retry_on', nullable: true })
  retryOn!: Date | null;

  /** Since when every call fails; null: the last one did not. A node that asks to be asked later does not fail. */
  @Column({ ...DATE, name: 'failing_on', nullable: true })
  failingOn!: Date | null;

  /** When a call last failed. */
  @Column({ ...DATE, name: 'failed_on', nullable: true })
  failedOn!: Date | null;

  @Column({ type: 'text', name: 'last_error', nullable: true })
  lastError!: string | null;

  /** Its last answer to GET cuckoo/status, as it was. */
  @Column({ type: 'text', nullable: true, transformer: json })
  status!: Record<string, unknown> | null;

  @Column({ ...DATE, name: 'status_on', nullable: true })
  statusOn!: Date | null;
}

/** A machine of a node, as of the last refresh. One that vanished stays, without a node. */
@Entity('node_machines')
export class NodeMachineRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'integer', name: 'node_id', nullable: true })
  nodeId!: number | null;

  @Column({ type: 'text' })
  name!: string;

  @Column({ type: 'text', nullable: true })
  label!: string | null;

  @Column({ type: 'varchar', length: 32 })
  platform!: string;

  /** Null: the node does not say. */
  @Column({ type: 'varchar', length: 32, nullable: true })
  arch!: string | null;

  @Column({ type: 'text', transformer: json })
  tags!: readonly string[];

  @Column({ type: 'boolean' })
  reserved!: boolean;
}
