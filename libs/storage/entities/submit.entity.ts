import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { DATE, json } from '../columns.js';

/** What one POST /tasks/create/submit came with and what became of it; for people and for later questions. */
export interface SubmitData {
  /** One per task, in the order of the ids. */
  readonly tasks: readonly SubmittedItem[];
  /** Sentences: what was sent and is no task. */
  readonly errors: readonly string[];
}

export interface SubmittedItem {
  readonly id: number;
  /** Name of the file, path of the member (`mail.zip: invoice/a.exe`), or the URL. */
  readonly name: string;
  /** Of the file or the member itself; null for a URL. */
  readonly sha256: string | null;
  /** The earlier task of the same request that has the same content. */
  readonly duplicateOf: number | null;
}

/** Cuckoo's `submit`, without its folder of temporary copies: uploads stream into storage/binaries. */
@Entity('submits')
export class SubmitRow {
  @PrimaryGeneratedColumn('increment', { type: 'integer' })
  id!: number;

  @Column({ ...DATE })
  added!: Date;

  @Column({ type: 'varchar', length: 16, name: 'submit_type' })
  submitType!: 'files' | 'strings';

  @Column({ type: 'text', transformer: json })
  data!: SubmitData;
}
