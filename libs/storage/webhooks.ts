import type { DataSource } from 'typeorm';
import type { TaskStatus } from '#domain/task.js';
import { WebhookRow } from './entities/webhook.entity.js';
import { write } from './turns.js';

export interface NewWebhook {
  readonly url: string;
  readonly secret: string;
  readonly statuses: readonly TaskStatus[];
}

/** Who is told when tasks end. */
export class Webhooks {
  constructor(private readonly db: DataSource) {}

  async create({ url, secret, statuses }: NewWebhook): Promise<WebhookRow> {
    const row = { url, secret, statuses: [...statuses], createdOn: new Date(), disabledOn: null };
    const { identifiers } = await write(this.db, (db) => db.insert(WebhookRow, row));
    return { ...row, id: (identifiers[0] as { id: number }).id };
  }

  async list(): Promise<WebhookRow[]> {
    return this.db.manager.find(WebhookRow, { order: { id: 'ASC' } });
  }

  async find(id: number): Promise<WebhookRow | null> {
    return this.db.manager.findOneBy(WebhookRow, { id });
  }

  /** Its messages go with it. */
  async delete(id: number): Promise<boolean> {
    const { affected } = await write(this.db, (db) => db.delete(WebhookRow, { id }));
    return affected === 1;
  }

  /** It is told of nothing more. */
  async disable(id: number): Promise<void> {
    await write(this.db, (db) => db.update(WebhookRow, { id }, { disabledOn: new Date() }));
  }
}
