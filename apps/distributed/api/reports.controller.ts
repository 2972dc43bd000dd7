import type { FileHandle } from 'node:fs/promises';
import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import { DIST_ENDED } from '#distribution/task.js';
import { SandboxError } from '#domain/errors.js';
import { Needs } from '../../http/access/needs.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { sendDownload } from '../../http/send.js';
import { Context } from '../context.js';
import { both, isApi } from './presentations.js';
import { isDocument, labelOf, PCAP } from './report-label.js';

/** What is said of a report that is not here. */
interface Words {
  readonly missing: string;
  readonly deleted: string;
}

const REPORT: Words = { missing: 'Report format not found', deleted: 'Task report has been deleted' };
const CAPTURE: Words = { missing: 'Pcap file not found', deleted: 'Task files has been deleted' };

@Controller()
export class ReportsController {
  constructor(private readonly by: Context) {}

  /** As it is stored, whatever Accept says: the path names the format. */
  @Get([...both('report/:id'), ...both('report/:id/:format')])
  @Needs(({ format = 'json' }) => (isDocument(format.toLowerCase()) ? 'read' : 'download'))
  async report(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('id') id: string,
    @Param('format') format = 'json',
  ): Promise<void> {
    await this.#send(request, reply, { id: readId(id), format: format.toLowerCase(), words: REPORT });
  }

  @Get(both('pcap/:id'))
  @Needs('download')
  async pcap(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('id') id: string,
  ): Promise<void> {
    await this.#send(request, reply, { id: readId(id), format: PCAP, words: CAPTURE });
  }

  async #send(
    request: FastifyRequest,
    reply: FastifyReply,
    { id, format, words }: { readonly id: number; readonly format: string; readonly words: Words },
  ): Promise<void> {
    const { tasks, reports, settings } = this.by;
    const task = await this.#task(id, words);
    if (!DIST_ENDED.includes(task.state)) {
      void reply.header('retry-after', settings.interval);
      throw problem(isApi(request) ? 420 : 404, 'Task not finished yet');
    }
    const row = (await tasks.reports(id)).find((one) => one.format === format);
    if (!row) throw problem(404, task.state === 'failed' ? failed(task) : words.missing);
    const file = await reports.open(id, format);
    const size = file === null ? null : (await file.stat()).size;
    if (file === null || size !== row.size) {
      await file?.close();
      // Its files go after its row: it may have been deleted meanwhile.
      await this.#task(id, words);
      throw damaged(id, row, size);
    }
    const { policy, ...label } = labelOf(id, format, await firstBytes(file));
    if (policy !== undefined) void reply.header('content-security-policy', policy);
    await sendDownload(reply, { file, size, etag: `"${row.sha256}"`, modified: task.completedOn }, label);
  }

  /** @throws 404 */
  async #task(id: number, words: Words): Promise<DistTaskRow> {
    const task = await this.by.tasks.find(id);
    if (!task) throw problem(404, 'Task not found');
    if (task.state === 'deleted') throw problem(404, words.deleted);
    return task;
  }
}

async function firstBytes(file: FileHandle): Promise<Buffer> {
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(4), position: 0 });
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function failed({ reason }: DistTaskRow): string {
  return `Task failed, it has no such report: ${reason ?? 'for no known reason'}`;
}

function damaged(
  id: number,
  row: { readonly format: string; readonly size: number },
  size: number | null,
): SandboxError {
  const is = size === null ? 'is gone' : `has ${size} bytes`;
  return new SandboxError(
    'ARTIFACTS_DAMAGED',
    `The report ${row.format} of task ${id} ${is} in the reports folder; ${row.size} bytes were stored`,
  );
}
