import { z } from 'zod';
import { done, json, refused } from '../openapi/answers.js';
import { anyForm } from '../openapi/forms.js';
import type { Operation } from '../openapi/operation.js';
import { deliveryId, webhookId } from '../openapi/parameters.js';
import { delivery, message, webhook, webhookWithSecret } from './webhook-schema.js';

const missing = refused('Webhook not found');

const fields = z.object({
  url: z.string().meta({ description: 'http or https.', examples: ['https://soar.example/malkoha'] }),
  events: z
    .string()
    .optional()
    .meta({ description: 'Separated by commas; all without it.', examples: ['task.reported'] }),
  secret: z.string().optional().describe('`whsec_` and base64; made for you without it.'),
});

export const createWebhook: Operation = {
  tag: 'Events',
  summary: 'A webhook: it is told of each task that ends',
  text: 'Messages are signed as Standard Webhooks has it, and sent again for a day until they are answered 2xx.',
  form: anyForm(fields),
  sends: { taskEnded: { url: '{$request.body#/url}', schema: message } },
  answers: {
    200: json(z.object({ webhook: webhookWithSecret }), 'The only answer with the secret.'),
    400: refused('The URL is missing: send it as the field "url"'),
    409: refused('There are 100 webhooks already; delete one first'),
  },
};

export const listWebhooks: Operation = {
  tag: 'Events',
  summary: 'Webhooks',
  answers: { 200: json(z.object({ webhooks: z.array(webhook) })) },
};

export const deleteWebhook: Operation = {
  tag: 'Events',
  summary: 'Deletes a webhook and its messages',
  path: { id: webhookId },
  answers: { 200: done(), 404: missing },
};

export const listDeliveries: Operation = {
  tag: 'Events',
  summary: 'What a webhook was sent, newest first',
  path: { id: webhookId },
  query: {
    limit: z
      .int()
      .min(1)
      .meta({ description: '50 unless given, at most 500.', examples: [50] }),
    before: z
      .int()
      .min(1)
      .meta({ description: 'The `next` of the page before.', examples: [17] }),
  },
  answers: {
    200: json(
      z.object({
        deliveries: z.array(delivery),
        next: z
          .int()
          .nullable()
          .meta({ description: '`null` on the last page.', examples: [null] }),
      }),
    ),
    400: refused('"limit" must be a whole number, 1 or more'),
    404: missing,
  },
};

export const redeliver: Operation = {
  tag: 'Events',
  summary: 'Sends a message of a webhook again',
  path: { id: deliveryId },
  answers: {
    200: done(),
    404: refused('Delivery not found'),
    409: refused('The webhook is disabled: its receiver answered 410 Gone; delete it and make it anew'),
  },
};
