import { Controller, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { DeliveryRow } from '#storage/entities/delivery.entity.js';
import type { WebhookRow } from '#storage/entities/webhook.entity.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { parseCount, readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { eventName, messageId } from './message.js';
import { readWebhook } from './webhook-form.js';
import type { DeliveryView, WebhookView } from './webhook-schema.js';
import { createWebhook, deleteWebhook, listDeliveries, listWebhooks, redeliver } from './webhooks.docs.js';

/** Each one costs a request per task that ends. */
const MOST_WEBHOOKS = 100;
/** Messages of one page. */
const PAGE = { usual: 50, most: 500 } as const;

@Controller('webhooks')
export class WebhooksController {
  constructor(private readonly by: Context) {}

  /** The only answer that holds the secret. */
  @Post()
  @HttpCode(200)
  @Needs('admin')
  @Describe(createWebhook)
  async create(@Req() request: FastifyRequest): Promise<object> {
    const { webhooks, settings } = this.by;
    const wanted = await readWebhook(request, settings.webhooks.allow_private);
    if ((await webhooks.list()).length >= MOST_WEBHOOKS) {
      throw problem(409, `There are ${MOST_WEBHOOKS} webhooks already; delete one first`);
    }
    const webhook = await webhooks.create(wanted);
    return { webhook: { ...webhookView(webhook), secret: webhook.secret } };
  }

  @Get()
  @Needs('admin')
  @Describe(listWebhooks)
  async list(): Promise<object> {
    return { webhooks: (await this.by.webhooks.list()).map(webhookView) };
  }

  @Delete(':id')
  @Needs('admin')
  @Describe(deleteWebhook)
  async delete(@Param('id') idText: string): Promise<{ status: 'OK' }> {
    const id = readId(idText);
    if (!(await this.by.webhooks.delete(id))) throw problem(404, 'Webhook not found');
    return { status: 'OK' };
  }

  /** Newest first; `next` is what to ask `before` with for the following page, null on the last one. */
  @Get(':id/deliveries')
  @Needs('admin')
  @Describe(listDeliveries)
  async deliveries(
    @Param('id') idText: string,
    @Query('limit') limitText?: unknown,
    @Query('before') beforeText?: unknown,
  ): Promise<object> {
    const id = readId(idText);
    const limit = Math.min(readCount('limit', limitText) ?? PAGE.usual, PAGE.most);
    const before = readCount('before', beforeText);
    if ((await this.by.webhooks.find(id)) === null) throw problem(404, 'Webhook not found');
    const rows = await this.by.deliveries.page(id, limit + 1, before);
    const page = rows.slice(0, limit);
    return {
      deliveries: page.map(deliveryView),
      next: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  @Post('deliveries/:id/redeliver')
  @HttpCode(200)
  @Needs('admin')
  @Describe(redeliver)
  async redeliver(@Param('id') idText: string): Promise<{ status: 'OK' }> {
    const id = readId(idText);
    const { webhooks, deliveries, deliverer } = this.by;
    const delivery = await deliveries.find(id);
    const webhook = delivery && (await webhooks.find(delivery.webhookId));
    if (!webhook) throw problem(404, 'Delivery not found');
    if (webhook.disabledOn !== null) {
      throw problem(
        409,
        'The webhook is disabled: its receiver answered 410 Gone; delete it and make it anew',
      );
    }
    await deliveries.again(id);
    deliverer.wake();
    return { status: 'OK' };
  }
}

/** Dates are ISO 8601 in UTC: nothing of Cuckoo's looks at these. */
function webhookView({ id, url, statuses, createdOn, disabledOn }: WebhookRow): WebhookView {
  return {
    id,
    url,
    events: statuses.map(eventName),
    created_on: createdOn.toISOString(),
    disabled_on: disabledOn?.toISOString() ?? null,
  };
}

function deliveryView(row: DeliveryRow): DeliveryView {
  return {
    id: row.id,
    webhook_id: row.webhookId,
    message_id: messageId(row),
    task_id: row.taskId,
    event: eventName(row.status),
    state: row.state,
    attempts: row.attempts,
    last_status: row.lastStatus,
    last_error: row.lastError,
    created_on: row.createdOn.toISOString(),
    attempted_on: row.attemptedOn?.toISOString() ?? null,
    next_attempt_on: row.state === 'pending' ? row.dueOn.toISOString() : null,
  };
}

function readCount(name: string, text: unknown): number | undefined {
  if (text === undefined || text === '') return undefined;
  const count = typeof text === 'string' ? parseCount(text) : null;
  if (count === null || count === 0) throw problem(400, `"${name}" must be a whole number, 1 or more`);
  return count;
}
