import type { FastifyRequest } from 'fastify';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import type { NewWebhook } from '#storage/webhooks.js';
import { readFields } from '../../http/json-form.js';
import { problem } from '../../http/problem.js';
import { mustBeOutside } from './address.js';
import { eventName } from './message.js';
import { isSecret, makeSecret, SECRET_FORM } from './signature.js';

/** Characters of a URL. */
const URL_LIMIT = 2048;

const EVENTS = TERMINAL.map(eventName);

/**
 * `url`, `secret` and `events` of a form or a JSON object; `events` are separated by commas, in JSON also a list.
 *
 * @throws 400 naming the field, 415
 */
export async function readWebhook(request: FastifyRequest, allowPrivate: boolean): Promise<NewWebhook> {
  const fields = await readFields(request, { url: 'https://…' });
  return {
    url: readUrl((fields.get('url') ?? '').trim(), allowPrivate),
    secret: readSecret((fields.get('secret') ?? '').trim()),
    statuses: readEvents((fields.get('events') ?? '').split(',')),
  };
}

function readUrl(text: string, allowPrivate: boolean): string {
  if (text === '') throw problem(400, 'The URL is missing: send it as the field "url"');
  if (text.length > URL_LIMIT) throw problem(400, `"url" is longer than ${URL_LIMIT} characters`);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw problem(400, '"url" must be an http or https URL');
  if (url.username !== '' || url.password !== '') {
    throw problem(400, '"url" must not hold a user or a password: receivers check the signature instead');
  }
  if (!allowPrivate) {
    try {
      mustBeOutside(url);
    } catch (error) {
      throw problem(400, `"url": ${(error as Error).message}`, error);
    }
  }
  url.hash = '';
  return url.href;
}

function readSecret(text: string): string {
  if (text === '') return makeSecret();
  if (!isSecret(text)) throw problem(400, `"secret" must be ${SECRET_FORM}; leave it out to have one made`);
  return text;
}

/** All when none are named. */
function readEvents(names: readonly string[]): readonly TaskStatus[] {
  const wanted = new Set(names.map((name) => name.trim()).filter((name) => name !== ''));
  for (const name of wanted) {
    if (!EVENTS.includes(name)) throw problem(400, `"events" must be among ${EVENTS.join(', ')}`);
  }
  return wanted.size === 0 ? TERMINAL : TERMINAL.filter((status) => wanted.has(eventName(status)));
}
