import { parse } from 'node:path';
import { Controller, Get, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ARTIFACTS } from '#domain/artifacts.js';
import { listFolder, openIn } from '#storage/open-below.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { openArtifact } from '../downloads/artifact.js';
import { Gatherer } from '../downloads/gatherer.js';
import { filesIn } from '../downloads/members.js';
import { sendFile } from '../../http/send.js';
import { zipOf } from '../downloads/zip.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { getShot, getShots } from './shots.docs.js';

@Controller('tasks/screenshots')
export class ShotsController {
  constructor(
    private readonly by: Context,
    private readonly gatherer: Gatherer,
  ) {}

  @Get(':id')
  @Needs('read')
  @Describe(getShots)
  async all(@Res() reply: FastifyReply, @Param('id') idText: string): Promise<void> {
    const id = readId(idText);
    await using folder = await openArtifact(this.by, reply, id, ARTIFACTS.shots);
    if (!folder) throw problem(404, 'Task not found');
    const label = { type: 'application/zip', name: `${id}-screenshots.zip` };
    await this.gatherer.send(reply, zipOf(filesIn(folder)), label);
  }

  @Get(':id/:shot')
  @Needs('read')
  @Describe(getShot)
  async one(@Res() reply: FastifyReply, @Param('id') id: string, @Param('shot') shot: string): Promise<void> {
    const missing = problem(404, 'Screenshot not found!');
    await using folder = await openArtifact(this.by, reply, readId(id), ARTIFACTS.shots);
    if (!folder) throw missing;
    // Matched against the folder, never joined: `..` is no name in it.
    const name = (await listFolder(folder)).find((one) => one === shot || parse(one).name === shot);
    if (name === undefined) throw missing;
    // Always a picture: a page that a guest left here must not be shown as one.
    const type = name.endsWith('.png') ? 'image/png' : 'image/jpeg';
    await sendFile(reply, await openIn(folder, name), { type, name: null }, missing);
  }
}
