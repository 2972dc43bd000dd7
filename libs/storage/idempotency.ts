import { LessThan, type DataSource, type EntityManager } from 'typeorm';
import { utcText } from './columns.js';
import { IdempotencyRow } from './entities/idempotency.entity.js';
import { insertOnce } from './insert-task.js';
import { transaction } from './turns.js';

/** Milliseconds an answer is kept: a client that has not tried again within a day will not. */
const KEPT_MS = 24 * 3_600_000;

/** How a request is known when it comes again. */
export interface RequestMark {
  /** Who asks: the name of the API token, '' without one. Two clients may choose the same key. */
  readonly scope: string;
  readonly key: string;
  /** Of everything the request says: the same key with another one is a mistake of the client's. */
  readonly fingerprint: string;
}

export type Once<T> =
  | { readonly kind: 'done'; readonly answer: T }
  /** Done before: the same answer again. */
  | { readonly kind: 'repeated'; readonly answer: T }
  | { readonly kind: 'another request' };

/**
 * Runs `work` in a transaction, and once per mark: a second request with the mark waits for the first one's end, then
 * is given its answer, also after a restart. When `work` fails nothing is kept, and the next one tries again.
 */
export async function once<T>(
  db: DataSource,
  mark: RequestMark | null,
  work: (db: EntityManager) => Promise<T>,
): Promise<Once<T>> {
  return transaction(db, async (inside): Promise<Once<T>> => {
    if (mark === null) return { kind: 'done', answer: await work(inside) };
    await inside.delete(IdempotencyRow, { addedOn: LessThan(oldest()) });
    const { scope, key, fingerprint } = mark;
    const row = { scope, key, fingerprint, answer: '', added_on: utcText(new Date()) };
    const isFirst = (await insertOnce(inside, 'idempotency', row)).length > 0;
    if (!isFirst) return (await find<T>(inside, mark)) ?? { kind: 'another request' };
    const answer = await work(inside);
    await inside.update(IdempotencyRow, { scope, key }, { answer: JSON.stringify(answer) });
    return { kind: 'done', answer };
  });
}

/** Whether the request was done before; null when not. For those who would do much work in vain before `once`. */
export async function doneBefore<T>(db: DataSource, mark: RequestMark | null): Promise<Once<T> | null> {
  return mark && find<T>(db.manager, mark);
}

async function find<T>(
  db: EntityManager,
  { scope, key, fingerprint }: RequestMark,
): Promise<Exclude<Once<T>, { kind: 'done' }> | null> {
  const row = await db.findOneBy(IdempotencyRow, { scope, key });
  // SQLite has one connection: this may be a request that is still at work, whose transaction may yet come to nothing.
  if (!row || row.addedOn < oldest() || row.answer === '') return null;
  if (row.fingerprint !== fingerprint) return { kind: 'another request' };
  return { kind: 'repeated', answer: JSON.parse(row.answer) as T };
}

const oldest = (): Date => new Date(Date.now() - KEPT_MS);
