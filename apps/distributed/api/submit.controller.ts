import type { MultipartFile } from '@fastify/multipart';
import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DistSubmission } from '#distribution/task.js';
import { once, type RequestMark } from '#storage/idempotency.js';
import { mustHaveSpace } from '../../disk.js';
import { Needs } from '../../http/access/needs.js';
import { readForm } from '../../http/form.js';
import { answerOf, markOf, readKey } from '../../http/idempotency-key.js';
import { problem } from '../../http/problem.js';
import { given, readSubmission, readUrl, type Fields } from '../../http/submission.js';
import { whenGone } from '../../http/when-gone.js';
import { Context } from '../context.js';
import { hasBody } from './fields-of.js';
import { both, isApi } from './presentations.js';
import { Received, type Upload } from './received.js';

@Controller()
export class SubmitController {
  constructor(private readonly by: Context) {}

  /** A file, or a URL. A task whose id was answered is stored. */
  @Post(both('task'))
  @Needs('submit')
  @HttpCode(200)
  async create(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ readonly success?: true; readonly task_id: number }> {
    const { settings, bells } = this.by;
    const key = readKey(request);
    await mustHaveSpace(settings.samplesDirectory, settings.freespace, 'distributed.conf');
    await using received = new Received(this.by);
    const gone = whenGone(reply);
    const files = { names: ['file'], take: (part: MultipartFile) => received.take(part, gone) };
    const fields: Fields = hasBody(request) ? await readForm(request, files, ['tags']) : new Map();
    const { upload } = received;
    const submission = readTask(fields, upload);
    const mark = markOf(key, { endpoint: 'task', fields, uploads: upload ? [upload] : [] });
    const task_id = await this.#store({ submission, nodeId: await this.#pin(fields), mark });
    bells.place();
    return isApi(request) ? { success: true, task_id } : { task_id };
  }

  /** `node`: the one it is to run on. @throws 404 */
  async #pin(fields: Fields): Promise<number | null> {
    const name = given(fields, 'node');
    if (name === null) return null;
    const node = await this.by.nodes.find(name);
    if (!node?.enabled) throw problem(404, 'Node not found');
    return node.id;
  }

  /** @throws 422 */
  async #store({ submission, nodeId, mark }: Wanted): Promise<number> {
    const { db, tasks } = this.by;
    return answerOf(
      await once(db, mark, async (inside) => (await tasks.insert(inside, submission, nodeId)).id),
    );
  }
}

interface Wanted {
  readonly submission: DistSubmission;
  readonly nodeId: number | null;
  readonly mark: RequestMark | null;
}

/** @throws 400 naming the field, 404 without anything to analyse */
function readTask(fields: Fields, upload: Upload | null): DistSubmission {
  const isUrl = given(fields, 'url') !== null;
  if (isUrl && upload) throw problem(400, 'Send either "file" or "url": each is a task of its own');
  if (!isUrl && !upload) throw problem(404, 'No file has been provided');
  const { submitter: _, ...rest } = readSubmission(fields, {
    category: upload ? 'file' : 'url',
    target: upload ? upload.name : readUrl(fields),
    submitter: null,
  });
  return { ...rest, category: upload ? 'file' : 'url', sha256: upload?.sample.sha256 ?? null };
}
