import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { insertTask } from '#storage/insert-task.js';
import { callerOf } from '../../http/access/caller.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../../disk.js';
import { readForm } from '../../http/form.js';
import { Describe } from '../openapi/operation.js';
import { accept } from './accept.js';
import { createUrl } from './create.docs.js';
import { createdOne, type Created } from './created.js';
import { markOf, readKey } from '../../http/idempotency-key.js';
import { readSubmission, readUrl } from '../../http/submission.js';

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
