import { Column, Entity, PrimaryColumn } from 'typeorm';
import { DATE } from '../columns.js';

/** What a request with an Idempotency-Key was answered. Scope and key together are unique: of two writers one waits. */
@Entity('idempotency')
export class IdempotencyRow {
  /** Name of the API token; '' without one. */
  @PrimaryColumn({ type: 'varchar', length: 255 })
  scope!: string;

  @PrimaryColumn({ type: 'varchar', length: 255 })
  key!: string;

  @Column({ type: 'varchar', length: 64 })
  fingerprint!: string;

  /** JSON. */
  @Column({ type: 'text' })
  answer!: string;

  @Column({ ...DATE, name: 'added_on' })
  addedOn!: Date;
}
