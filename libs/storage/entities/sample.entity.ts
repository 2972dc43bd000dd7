import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';
import { safeInteger } from '../columns.js';

/** One per distinct content. */
@Entity('samples')
export class SampleRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ type: 'bigint', name: 'file_size', transformer: safeInteger })
  fileSize!: number;

  @Column({ type: 'text', name: 'file_type' })
  fileType!: string;

  @Index('samples_md5')
  @Column({ type: 'varchar', length: 32 })
  md5!: string;

  @Column({ type: 'varchar', length: 8 })
  crc32!: string;

  @Index('samples_sha1')
  @Column({ type: 'varchar', length: 40 })
  sha1!: string;

  @Index('samples_sha256', { unique: true })
  @Column({ type: 'varchar', length: 64 })
  sha256!: string;

  @Column({ type: 'varchar', length: 128 })
  sha512!: string;

  @Column({ type: 'varchar', length: 255, nullable: true })
  ssdeep!: string | null;
}
