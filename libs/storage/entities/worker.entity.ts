import { Column, Entity, PrimaryColumn } from 'typeorm';
import { DATE } from '../columns.js';

/** A worker process: what it last said of itself. One that is silent for too long has lost its tasks. */
@Entity('workers')
export class WorkerRow {
  /** `<name>/<host>/<pid>/<start time>`. */
  @PrimaryColumn({ type: 'varchar', length: 255 })
  id!: string;

  /** The name that stays over restarts: of the host, unless it was given another. */
  @Column({ type: 'varchar', length: 64 })
  name!: string;

  @Column({ type: 'varchar', length: 255 })
  host!: string;

  @Column({ type: 'varchar', length: 32 })
  version!: string;

  @Column({ ...DATE, name: 'started_on' })
  startedOn!: Date;

  @Column({ ...DATE, name: 'heartbeat_on' })
  heartbeatOn!: Date;

  /** Why it takes no task though a machine may be free; null: it does. */
  @Column({ type: 'text', nullable: true })
  paused!: string | null;

  /** An operator's word: take no more tasks, and end when the last one has. */
  @Column({ type: 'boolean', default: false })
  draining!: boolean;
}
