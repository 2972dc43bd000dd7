import { In, type DataSource } from 'typeorm';
import { dateOf, utcText } from './columns.js';
import { DeliveryRow } from './entities/delivery.entity.js';
import { write } from './turns.js';

/** Days a delivered message stays in the log, and one that failed. */
const KEEP_DAYS = { delivered: 7, failed: 30 } as const;
const DAY_MS = 86_400_000;

export type Settlement =
  | { readonly state: 'delivered' | 'failed' }
  /** To be tried again. */
  | { readonly state: 'pending'; readonly dueOn: Date };

/** The messages of webhooks: what is to be sent, and what was. */
export class Deliveries {
  constructor(private readonly db: DataSource) {}

  /** The log of one webhook, newest first, before the message `before`. */
  async page(webhookId: number, limit: number, before: number = Infinity): Promise<DeliveryRow[]> {
    const query = this.db
      .createQueryBuilder(DeliveryRow, 'delivery')
      .where('delivery.webhookId = :webhookId', { webhookId })
      .orderBy('delivery.id', 'DESC')
      .limit(limit);
    if (before !== Infinity) query.andWhere('delivery.id < :before', { before });
    return query.getMany();
  }

  async find(id: number): Promise<DeliveryRow | null> {
    return this.db.manager.findOneBy(DeliveryRow, { id });
  }

  /** When each webhook that has messages to send is to be served. */
  async due(): Promise<ReadonlyMap<number, Date>> {
    const rows = await this.db
      .createQueryBuilder(DeliveryRow, 'delivery')
      .select('delivery.webhookId', 'webhook')
      .addSelect('MIN(delivery.dueOn)', 'due')
      .where(`delivery.state = 'pending'`)
      .groupBy('delivery.webhookId')
      .getRawMany<{ webhook: number; due: string }>();
    return new Map(rows.map(({ webhook, due }) => [webhook, dateOf(due)]));
  }

  /**
   * The next message of a webhook is the caller's to send for `leaseMs` milliseconds; after that another process may
   * take it over. Null: none is due. Its `dueOn` is the end of the lease, and proves it in `settle`.
   */
  async claim(webhookId: number, leaseMs: number): Promise<DeliveryRow | null> {
    for (;;) {
      const now = new Date();
      const next = await this.db
        .createQueryBuilder(DeliveryRow, 'delivery')
        .where(`delivery.state = 'pending' AND delivery.webhookId = :webhookId`, { webhookId })
        .andWhere('delivery.dueOn <= :now', { now: utcText(now) })
        .orderBy('delivery.dueOn')
        .addOrderBy('delivery.id')
        .limit(1)
        .getOne();
      if (next === null) return null;
      const claimed = {
        attempts: next.attempts + 1,
        attemptedOn: now,
        dueOn: new Date(now.getTime() + leaseMs),
      };
      const { affected } = await write(this.db, (db) =>
        db.update(DeliveryRow, { id: next.id, state: 'pending', dueOn: next.dueOn }, claimed),
      );
      // Otherwise another process was first.
      if (affected === 1) return Object.assign(next, claimed);
    }
  }

  /** How an attempt ended. Without effect when the lease is not the caller's any more. */
  async settle(
    claim: DeliveryRow,
    end: Settlement,
    last: { readonly status: number | null; readonly error: string | null },
  ): Promise<void> {
    const dueOn = end.state === 'pending' ? end.dueOn : removalOf(end.state);
    await write(this.db, (db) =>
      db.update(
        DeliveryRow,
        { id: claim.id, state: 'pending', dueOn: claim.dueOn },
        { state: end.state, dueOn, lastStatus: last.status, lastError: last.error },
      ),
    );
  }

  /** What a webhook still had to be sent has failed. */
  async abandon(webhookId: number, error: string): Promise<void> {
    const failed = { state: 'failed' as const, dueOn: removalOf('failed'), lastError: error };
    await write(this.db, (db) => db.update(DeliveryRow, { webhookId, state: 'pending' }, failed));
  }

  /** It is sent again, at once and as often as a new one. False: there is no such message. */
  async again(id: number): Promise<boolean> {
    const { affected } = await write(this.db, (db) =>
      db.update(DeliveryRow, { id }, { state: 'pending', attempts: 0, dueOn: new Date() }),
    );
    return affected === 1;
  }

  /** Removes what was kept long enough. */
  async sweep(): Promise<void> {
    await write(this.db, (db) =>
      db
        .createQueryBuilder()
        .delete()
        .from(DeliveryRow)
        .where({ state: In(['delivered', 'failed']) })
        .andWhere('due_on <= :now', { now: utcText(new Date()) })
        .execute(),
    );
  }
}

function removalOf(state: keyof typeof KEEP_DAYS): Date {
  return new Date(Date.now() + KEEP_DAYS[state] * DAY_MS);
}
