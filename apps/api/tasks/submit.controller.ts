import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { reason, SandboxError } from '#domain/errors.js';
import { serves } from '#domain/machine.js';
import type { Sample, Submission } from '#domain/task.js';
import { storeSample } from '#storage/binaries.js';
import { toMachine } from '#storage/machines.js';
import { findSample } from '#storage/samples.js';
import { Needs } from '../access/needs.js';
import { Context } from '../context.js';
import { mustHaveSpace } from '../disk.js';
import { baseName } from '../file-name.js';
import { readForm } from '../form.js';
import { problem } from '../problem.js';
import { sampleFacts } from '../sample-facts.js';
import { whenGone } from '../when-gone.js';
import { boolean, readSubmission } from './submission.js';

/** Characters of a URL. */
const URL_LIMIT = 8192;

/** Both keys: old clients read the one, clients of the modified Cuckoo the other. */
interface Created {
  readonly task_id: number;
  readonly task_ids: readonly number[];
}

interface Upload {
  readonly name: string;
  readonly sample: Omit<Sample, 'id'>;
  readonly known: boolean;
}

@Controller('tasks/create')
export class SubmitController {
  constructor(private readonly by: Context) {}

  @Post('file')
  @Needs('submit')
  @HttpCode(200)
  async file(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Created> {
    await this.#mustHaveSpace();
    const uploads: Upload[] = [];
    const gone = whenGone(reply);
    const fields = await readForm(request, async (part) => {
      // One file, one task: of more the first counts, as it always did.
      if (uploads.length > 0) part.file.resume();
      else uploads.push(await this.#store(part, gone));
    });
    const upload = uploads[0];
    if (!upload) throw problem(400, 'The file is missing: send it as the multipart field "file"');
    const submission = readSubmission(fields, 'file', upload.name);
    if (upload.known && boolean(fields, 'unique')) {
      throw problem(400, 'This file has already been submitted');
    }
    await this.#linkTarget(upload);
    return this.#create(submission, upload.sample);
  }

  @Post('url')
  @Needs('submit')
  @HttpCode(200)
  async url(@Req() request: FastifyRequest): Promise<Created> {
    await this.#mustHaveSpace();
    const fields = await readForm(request);
    const url = (fields.get('url') ?? '').trim();
    if (url === '') throw problem(400, 'The URL is missing: send it as the form field "url"');
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(url)) throw problem(400, '"url" holds a control character');
    if (url.length > URL_LIMIT) throw problem(413, `"url" is longer than ${URL_LIMIT} characters`);
    return this.#create(readSubmission(fields, 'url', url), null);
  }

  async #mustHaveSpace(): Promise<void> {
    await mustHaveSpace(this.by.home.storage, this.by.settings.cuckoo.freespace);
  }

  async #store(part: MultipartFile, signal: AbortSignal): Promise<Upload> {
    const { home, settings, db } = this.by;
    const sample = await storeSample(
      part.file,
      { binariesDir: home.binaries, maxBytes: settings.api.upload_max_size, facts: sampleFacts() },
      signal,
    );
    const known = (await findSample(db, { sha256: sample.sha256 })) !== null;
    return { name: baseName(part.filename) ?? sample.sha256, sample, known };
  }

  /** Makes the path that the task's `target` names. */
  async #linkTarget({ name, sample }: Upload): Promise<void> {
    const dir = join(this.by.home.targets, sample.sha256);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    try {
      await symlink(join('..', '..', 'binaries', sample.sha256), join(dir, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }

  async #create(submission: Submission, sample: Omit<Sample, 'id'> | null): Promise<Created> {
    const { tasks, queues, log } = this.by;
    const task = await tasks.create(submission, sample);
    await this.#warnOfNoMachine(task.id, submission);
    try {
      await queues.enqueueAnalysis(task);
    } catch (error) {
      // The task is stored, and the reconciler will queue it: the client has nothing to do about it.
      log('warn', reason(error), { task: task.id, code: 'QUEUE_UNAVAILABLE' });
    }
    return { task_id: task.id, task_ids: [task.id] };
  }

  /** The task is taken all the same, as Cuckoo does; its `errors` tell early why it will fail. */
  async #warnOfNoMachine(taskId: number, wants: Submission): Promise<void> {
    const machines = await this.by.machines.list();
    if (machines.length === 0 || machines.some((machine) => serves(toMachine(machine), wants))) return;
    const { message } = new SandboxError('NO_MATCHING_MACHINE', 'No machine matches what the task asks for');
    await this.by.tasks.addError(taskId, 'NO_MATCHING_MACHINE', message);
  }
}
