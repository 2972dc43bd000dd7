import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
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

  @Column({ type: 'varchar', length: 255, name: 'resultserver_ip' })
  resultserverIp!: string;

  @Column({ type: 'integer', name: 'resultserver_port' })
  resultserverPort!: number;

  /** The worker process that owns it. */
  @Index('machines_worker')
  @Column({ type: 'text' })
  worker!: string;
}
