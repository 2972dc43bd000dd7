import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { doneBefore } from '#storage/idempotency.js';
import { callerOf } from '../../http/access/caller.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../../disk.js';
import { readForm } from '../../http/form.js';
import { Describe } from '../openapi/operation.js';
import { problem } from '../../http/problem.js';
import { unhurried } from '../../http/unhurried.js';
import { whenGone } from '../../http/when-gone.js';
import { accept } from './accept.js';
import { createSubmit } from './create.docs.js';
import { answerOf, markOf, readKey } from '../../http/idempotency-key.js';
import { boolean, given, readSubmission, text, type Fields } from '../../http/submission.js';
import { itemsOfFiles, itemsOfStrings, mustBeFew } from './submit-items.js';
import { storeItems, type Submitted } from './submit-store.js';
import { linkTarget, storeUpload, type Upload } from './upload.js';

/** 7-Zip takes more, people do not. */
const PASSWORD_CHARACTERS = 255;

@Controller('tasks/create/submit')
export class CreateSubmitController {
  constructor(private readonly by: Context) {}

  /** Several files, with containers unpacked, or several lines of text; files win. */
  @Post()
  @Needs('submit')
  @Describe(createSubmit)
  @HttpCode(200)
  async create(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Submitted> {
    const { home, settings, db } = this.by;
    const key = readKey(request);
    await mustHaveSpace(home.storage, settings.cuckoo.freespace);
    const gone = whenGone(reply);
    const { fields, uploads } = await this.#read(request, gone);
    const strings = given(fields, 'strings');
    if (uploads.length === 0 && strings === null) throw problem(500, 'No files or strings have been given!');
    const wanted = this.#wanted(fields, callerOf(request).token);
    const password = text(fields, 'password', PASSWORD_CHARACTERS);
    const unique = boolean(fields, 'unique') ? 'unique' : 'any';

    const mark = markOf(key, { endpoint: 'submit', fields, uploads });
    const before = await doneBefore<Submitted>(db, mark);
    if (before) return answerOf(before);

    const { items, errors } =
      uploads.length > 0
        ? await unhurried(reply, () => itemsOfFiles(uploads, password, this.by, gone))
        : itemsOfStrings(strings ?? '');
    for (const item of items) {
      if (item.category !== 'url')
        await linkTarget(home.targets, item.category === 'file' ? item.sent : item.archive);
    }
    return accept(this.by, mark, (inside) => storeItems(inside, { items, errors, wanted, unique }));
  }

  async #read(
    request: FastifyRequest,
    gone: AbortSignal,
  ): Promise<{ readonly fields: Fields; readonly uploads: readonly Upload[] }> {
    // Nothing at all is "nothing given", not a form that is missing.
    if (request.headers['content-type'] === undefined) return { fields: new Map(), uploads: [] };
    const uploads: Upload[] = [];
    const fields = await readForm(request, {
      names: ['file', 'files'],
      take: async (part) => {
        mustBeFew(uploads.length + 1);
        uploads.push(await storeUpload(part, this.by, gone));
      },
    });
    return { fields, uploads };
  }

  /** What every task of the request asks for. Cuckoo does not read package, machine and platform here. */
  #wanted(fields: Fields, submitter: string | null) {
    const { memory_dump } = this.by.settings.cuckoo;
    const asked = readSubmission(fields, { category: 'file', target: '', submitter });
    const memory = given(fields, 'memory') === null ? memory_dump : asked.memory;
    return { ...asked, package: null, machine: null, platform: null, arch: null, memory };
  }
}
