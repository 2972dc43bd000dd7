import { Controller, Get, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { findSample, tasksOfSample, type SampleKey } from '#storage/samples.js';
import { Needs } from '../http/access/needs.js';
import { Context } from './context.js';
import { openSample } from './downloads/artifact.js';
import { BINARY, sendFile } from '../http/send.js';
import { getFile, viewFile } from './files.docs.js';
import { Describe } from './openapi/operation.js';
import { parseId } from '../http/paths.js';
import { problem } from '../http/problem.js';
import type { SampleView } from './tasks/task-schema.js';
import { sampleView } from './tasks/task-view.js';

const missing = () => problem(404, 'File not found');

@Controller('files')
export class FilesController {
  constructor(private readonly by: Context) {}

  @Get('view/:kind/:value')
  @Needs('read')
  @Describe(viewFile)
  async view(
    @Param('kind') kind: string,
    @Param('value') value: string,
  ): Promise<{ sample: SampleView & { tasks: number[] } }> {
    const sample = await findSample(this.by.db, sampleKey(kind, value.toLowerCase()));
    if (!sample) throw missing();
    return { sample: { ...sampleView(sample), tasks: await tasksOfSample(this.by.db, sample.id) } };
  }

  @Get('get/:sha256')
  @Needs('download')
  @Describe(getFile)
  async get(@Res() reply: FastifyReply, @Param('sha256') text: string): Promise<void> {
    const sha256 = text.toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw missing();
    const file = await openSample(this.by, reply, sha256);
    await sendFile(reply, file, { type: BINARY, name: sha256 }, missing());
  }
}

/** @throws 400 for an unknown kind and for id 0, 404 for text that cannot name a sample */
function sampleKey(kind: string, value: string): SampleKey {
  if (kind === 'id') {
    const id = parseId(value);
    if (id === null) throw missing();
    if (/^0+$/.test(value)) throw problem(400, 'Invalid lookup term');
    return { id };
  }
  if (kind !== 'md5' && kind !== 'sha1' && kind !== 'sha256') throw problem(400, 'Invalid lookup term');
  if (!/^[0-9a-f]{32,64}$/.test(value)) throw missing();
  return { [kind]: value } as unknown as SampleKey;
}
