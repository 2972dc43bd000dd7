import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { insertSample, insertTask } from '#storage/insert-task.js';
import { callerOf } from '../../http/access/caller.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../../disk.js';
import { readForm } from '../../http/form.js';
import { Describe } from '../openapi/operation.js';
import { problem } from '../../http/problem.js';
import { whenGone } from '../../http/when-gone.js';
import { accept } from './accept.js';
import { createFile } from './create.docs.js';
import { ALREADY_SUBMITTED, createdOne, type Created } from './created.js';
import { markOf, readKey } from '../../http/idempotency-key.js';
import { boolean, readSubmission } from '../../http/submission.js';
import { linkTarget, storeUpload, type Upload } from './upload.js';

@Controller('tasks/create/file')
export class CreateFileController {
  constructor(private readonly by: Context) {}

  @Post()
  @Needs('submit')
  @Describe(createFile)
  @HttpCode(200)
  async create(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Created> {
    const { home, settings } = this.by;
    const key = readKey(request);
    await mustHaveSpace(home.storage, settings.cuckoo.freespace);
    const uploads: Upload[] = [];
    const gone = whenGone(reply);
    const fields = await readForm(request, {
      names: ['file'],
      take: async (part) => {
        // One file, one task: of more the first counts, as it always did.
        if (uploads.length > 0) part.file.resume();
        else uploads.push(await storeUpload(part, this.by, gone));
      },
    });
    const [upload] = uploads;
    if (!upload) throw problem(400, 'The file is missing: send it as the multipart field "file"');
    const submission = readSubmission(fields, {
      category: 'file',
      target: upload.name,
      submitter: callerOf(request).token,
    });
    const unique = boolean(fields, 'unique');
    await linkTarget(home.targets, upload);
    return accept(this.by, markOf(key, { endpoint: 'file', fields, uploads }), async (db) => {
      const sample = await insertSample(db, upload.sample);
      if (unique && !sample.isNew) throw problem(400, ALREADY_SUBMITTED);
      return createdOne(await insertTask(db, submission, { sampleId: sample.id }), submission);
    });
  }
}
