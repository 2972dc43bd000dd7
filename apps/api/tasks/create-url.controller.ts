import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { insertTask } from '#storage/insert-task.js';
import { callerOf } from '../access/caller.js';
import { Needs } from '../access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../../disk.js';
import { readForm } from '../form.js';
import { Describe } from '../openapi/operation.js';
import { problem } from '../problem.js';
import { accept } from './accept.js';
import { createUrl } from './create.docs.js';
import { createdOne, type Created } from './created.js';
import { markOf, readKey } from './idempotency-key.js';
import { readSubmission, type Fields } from './submission.js';
import { URL_LIMIT } from './strings.js';

@Controller('tasks/create/url')
export class CreateUrlController {
  constructor(private readonly by: Context) {}

  @Post()
  @Needs('submit')
  @Describe(createUrl)
  @HttpCode(200)
  async create(@Req() request: FastifyRequest): Promise<Created> {
    const { home, settings } = this.by;
    const key = readKey(request);
    await mustHaveSpace(home.storage, settings.cuckoo.freespace);
    const fields = await readForm(request);
    const submission = readSubmission(fields, {
      category: 'url',
      target: readUrl(fields),
      submitter: callerOf(request).token,
    });
    return accept(this.by, markOf(key, { endpoint: 'url', fields }), async (db) =>
      createdOne(await insertTask(db, submission, { sampleId: null }), submission),
    );
  }
}

function readUrl(fields: Fields): string {
  const url = (fields.get('url') ?? '').trim();
  if (url === '') throw problem(400, 'The URL is missing: send it as the form field "url"');
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(url)) throw problem(400, '"url" holds a control character');
  if (url.length > URL_LIMIT) throw problem(413, `"url" is longer than ${URL_LIMIT} characters`);
  return url;
}
