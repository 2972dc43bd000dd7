import { z } from 'zod';
import { TERMINAL } from '#domain/task.js';
import { DELIVERY_STATES } from '#storage/entities/delivery.entity.js';
import { task, taskStatus } from '../tasks/task-schema.js';
import { eventName } from './message.js';

/** ISO 8601 in UTC: nothing of Cuckoo's looks at these. */
const time = z.iso.datetime().describe('ISO 8601, UTC.');

export const event = z.enum(TERMINAL.map(eventName));

const WEBHOOK = {
  id: 1,
  url: 'https://soar.example/malkoha',
  events: ['task.reported'],
  created_on: '2026-03-02T08:00:00.000Z',
  disabled_on: null,
};

export const webhook = z
  .object({
    id: z.int(),
    url: z.string(),
    events: z.array(event),
    created_on: time,
    disabled_on: time.nullable().describe('Since its receiver answered 410 Gone.'),
  })
  .meta({ id: 'Webhook', examples: [WEBHOOK] });

export const webhookWithSecret = webhook.extend({ secret: z.string() }).meta({
  id: 'WebhookWithSecret',
  examples: [{ ...WEBHOOK, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }],
});

export const delivery = z
  .object({
    id: z.int(),
    webhook_id: z.int(),
    message_id: z.string().describe('The `webhook-id` of its message.'),
    task_id: z.int(),
    event,
    state: z.enum(DELIVERY_STATES),
    attempts: z.int(),
    last_status: z.int().nullable().describe('Of the answer to the last attempt.'),
    last_error: z.string().nullable(),
    created_on: time,
    attempted_on: time.nullable(),
    next_attempt_on: time.nullable(),
  })
  .meta({
    id: 'Delivery',
    examples: [
      {
        id: 1,
        webhook_id: 1,
        message_id: 'msg_9f0c6b3a5d1e4f7fa0b1c2d3e4f5a6b7',
        task_id: 1,
        event: 'task.reported',
        state: 'delivered',
        attempts: 1,
        last_status: 200,
        last_error: null,
        created_on: '2026-03-02T09:15:40.000Z',
        attempted_on: '2026-03-02T09:15:40.000Z',
        next_attempt_on: null,
      },
    ],
  });

export const message = z
  .object({
    id: z.string().describe('The same however often it is sent.'),
    type: event,
    timestamp: time,
    data: z.object({
      task_id: z.int(),
      status: taskStatus,
      task: task.nullable().describe('As it is when the message is sent; `null` once it was deleted.'),
    }),
  })
  .meta({ id: 'WebhookMessage', description: 'What a webhook is sent.' });

export type WebhookView = z.infer<typeof webhook>;
export type DeliveryView = z.infer<typeof delivery>;
export type WebhookMessage = z.infer<typeof message>;
