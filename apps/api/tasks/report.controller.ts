import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Controller, Get, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ARTIFACTS } from '#domain/artifacts.js';
import { analysisDir } from '#storage/analyses.js';
import { Needs } from '../access/needs.js';
import { Context } from '../context.js';
import { parseId } from '../paths.js';
import { notFound, problem } from '../problem.js';
import { sendFile } from '../send-file.js';
import { sendZip } from '../send-zip.js';

const FORMATS = new Map([
  ['json', { file: 'report.json', type: 'application/json' }],
  ['html', { file: 'report.html', type: 'text/html; charset=utf-8' }],
]);

/** Formats that hold what guests and samples left, not what is said about them. */
const ARCHIVES = new Set(['all', 'dropped', 'package_files']);

const BINARY = 'application/octet-stream; charset=UTF-8';

@Controller()
export class ReportController {
  constructor(private readonly by: Context) {}

  /** Only the file is looked at: a report outlives its row. An unknown format is told before an unknown task. */
  @Get(['tasks/report/:id', 'tasks/report/:id/:format'])
  @Needs(({ format = 'json' }) => (ARCHIVES.has(format.toLowerCase()) ? 'download' : 'read'))
  async report(
    @Res() reply: FastifyReply,
    @Param('id') id: string,
    @Param('format') format = 'json',
  ): Promise<void> {
    const dir = this.#dir(id);
    const wanted = FORMATS.get(format.toLowerCase());
    if (!wanted) throw problem(400, 'Invalid report format');
    const path = join(dir, ARTIFACTS.reports, wanted.file);
    if (format.toLowerCase() === 'html') {
      // The page holds what guests said. It brings no scripts, and could not run one if it did.
      void reply.header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
      );
    }
    await sendFile(reply, path, wanted.type, problem(404, 'Report not found'));
  }

  @Get('tasks/screenshots/:id')
  @Needs('read')
  async screenshots(@Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    const dir = join(this.#dir(id), ARTIFACTS.shots);
    const names = await list(dir);
    if (!names) throw problem(404, 'Task not found');
    await sendZip(reply, dir, names);
  }

  @Get('tasks/screenshots/:id/:shot')
  @Needs('read')
  async screenshot(
    @Res() reply: FastifyReply,
    @Param('id') id: string,
    @Param('shot') shot: string,
  ): Promise<void> {
    const dir = join(this.#dir(id), ARTIFACTS.shots);
    const missing = problem(404, 'Screenshot not found!');
    // Matched against the folder, never joined: `..` is no name in it.
    const name = (await list(dir))?.find((one) => one === shot || one.replace(/\.[^.]*$/, '') === shot);
    if (name === undefined) throw missing;
    await sendFile(reply, join(dir, name), name.endsWith('.png') ? 'image/png' : 'image/jpeg', missing);
  }

  @Get('pcap/get/:id')
  @Needs('download')
  async pcap(@Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    await sendFile(reply, join(this.#dir(id), ARTIFACTS.pcap), BINARY, problem(404, 'File not found'));
  }

  #dir(idText: string): string {
    const id = parseId(idText);
    if (id === null) throw notFound();
    return analysisDir(this.by.home.analyses, id);
  }
}

/** Sorted; null when there is no such folder. */
async function list(dir: string): Promise<string[] | null> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
