import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import type { MachineState } from '#domain/machine.js';
import { DATE, json } from '../columns.js';

/** A machine as its worker last told it; the configuration is the truth, this is what the API shows. */
@Entity('machines')
export class MachineRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'varchar', length: 255, unique: true })
  name!: string;

  @Column({ type: 'varchar', length: 255 })
  label!: string;

  @Column({ type: 'varchar', length: 255 })
  ip!: string;

  @Column({ type: 'varchar', length: 255 })
  platform!: string;

  @Column({ type: 'varchar', length: 32, default: 'x64' })
  arch!: string;

  @Column({ type: 'boolean', default: false })
  reserved!: boolean;

  /** Kind of machinery. */
  @Column({ type: 'varchar', length: 32, default: '' })
  manager!: string;

  @Column({ type: 'text', transformer: json })
  options!: string[];

  @Column({ type: 'text', transformer: json })
  tags!: string[];

  @Column({ type: 'varchar', length: 255, nullable: true })
  interface!: string | null;

  @Column({ type: 'varchar', length: 255, nullable: true })
  snapshot!: string | null;

  @Column({ type: 'boolean', default: false })
  locked!: boolean;

  @Column({ ...DATE, name: 'locked_changed_on', nullable: true })
  lockedChangedOn!: Date | null;

  @Column({ type: 'varchar', length: 255, nullable: true })
  status!: string | null;

  @Column({ ...DATE, name: 'status_changed_on', nullable: true })
  statusChangedOn!: Date | null;

  /** What its pool does with it: see MachineStatus in libs/machinery. */
  @Column({ type: 'varchar', length: 16, default: 'restoring' })
  state!: MachineState;

  /** Why it is quarantined; else null. */
  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  /** When a quarantined one is tested next. */
  @Column({ ...DATE, name: 'retry_on', nullable: true })
  retryOn!: Date | null;

  /** What the operator wants. Stays over restarts; its worker follows. */
  @Column({ type: 'boolean', default: true })
  enabled!: boolean;

  @Column({ type: 'varchar', length: 255, name: 'resultserver_ip' })
  resultserverIp!: string;

  @Column({ type: 'integer', name: 'resultserver_port' })
  resultserverPort!: number;

  /** The worker process that owns it. */
  @Index('machines_worker')
  @Column({ type: 'text' })
  worker!: string;
}
