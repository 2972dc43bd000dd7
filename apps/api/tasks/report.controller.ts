import type { FileHandle } from 'node:fs/promises';
import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ARTIFACTS } from '#domain/artifacts.js';
import type { Span } from '#formats/json-locate.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { openArtifact, openSample } from '../downloads/artifact.js';
import { COMPRESSIONS, type Compression } from '../downloads/compress.js';
import {
  ARCHIVE_FORMATS,
  HTML_REPORT,
  JSON_REPORT,
  REPORT_FORMATS,
  type ReportFormat,
} from '../downloads/formats.js';
import { Gatherer } from '../downloads/gatherer.js';
import { analysisMembers } from '../downloads/members.js';
import { findElement, sendParts, summarize } from '../downloads/report-part.js';
import { ARCHIVE_TYPE } from '../../http/report-types.js';
import { sendFile } from '../../http/send.js';
import { tarOf } from '../downloads/tar.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { whenGone } from '../../http/when-gone.js';
import { getReport, getReportPage, getSummary } from './report.docs.js';
import { readWait, untilEnded } from './wait.js';

/** Characters of `elements`. */
const ELEMENTS_LIMIT = 1024;

const missing = () => problem(404, 'Report not found');

/** What became of a task, as files. Where they are on this host only these are looked at: a report outlives its row. */
@Controller()
export class ReportController {
  constructor(
    private readonly by: Context,
    private readonly gatherer: Gatherer,
  ) {}

  /** An unknown format is told before an unknown task. */
  @Get(['tasks/report/:id', 'tasks/report/:id/:format'])
  @Needs(({ format = 'json' }) => (ARCHIVE_FORMATS.has(format.toLowerCase()) ? 'download' : 'read'))
  @Describe(getReport)
  async report(
    @Res() reply: FastifyReply,
    @Param('id') idText: string,
    @Query() query: Record<string, unknown>,
    @Param('format') formatText = 'json',
  ): Promise<void> {
    const id = readId(idText);
    const name = formatText.toLowerCase();
    const format = REPORT_FORMATS.get(name);
    const takes = ARCHIVE_FORMATS.get(name);
    if (!format && !takes) throw problem(400, 'Invalid report format');
    const elements = readElements(query['elements'], name);
    await untilEnded(this.by, id, readWait(query['wait']), whenGone(reply, this.by.shutdown));
    if (takes) await this.#sendArchive(reply, { id, name, takes }, compression(query['tar']));
    else if (elements !== null) await this.#sendElement(reply, id, elements);
    else if (format) await this.#sendReport(reply, id, format);
  }

  @Get('tasks/summary/:id')
  @Needs('read')
  @Describe(getSummary)
  async summary(@Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    await this.#sendParts(reply, readId(id), summarize);
  }

  /** Where Cuckoo's web interface has the page: clients link it. */
  @Get('analysis/:id/summary')
  @Needs('read')
  @Describe(getReportPage)
  async page(@Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    await this.#sendReport(reply, readId(id), HTML_REPORT);
  }

  async #sendReport(reply: FastifyReply, id: number, { file, type, policy }: ReportFormat): Promise<void> {
    if (policy !== undefined) void reply.header('content-security-policy', policy);
    await sendFile(reply, await this.#open(reply, id, file), { type, name: null }, missing());
  }

  async #sendElement(reply: FastifyReply, id: number, elements: string): Promise<void> {
    await this.#sendParts(reply, id, async (report, signal) => {
      const value = await findElement(report, elements.split('.'), signal);
      if (!value) throw problem(404, `'${elements}' not found`);
      return [value];
    });
  }

  async #sendParts(
    reply: FastifyReply,
    id: number,
    find: (report: FileHandle, signal: AbortSignal) => Promise<readonly Span[]>,
  ): Promise<void> {
    const report = await this.#open(reply, id, JSON_REPORT.file);
    if (!report) throw missing();
    let parts: readonly Span[];
    try {
      parts = await find(report, whenGone(reply));
    } catch (error) {
      await report.close();
      throw error;
    }
    await sendParts(reply, report, parts);
  }

  async #sendArchive(
    reply: FastifyReply,
    wanted: { readonly id: number; readonly name: string; readonly takes: (name: string) => boolean },
    packing: Compression,
  ): Promise<void> {
    const { id, name, takes } = wanted;
    await using folder = await openArtifact(this.by, reply, id);
    if (!folder) throw missing();
    const sample = (sha256: string) => openSample(this.by, reply, sha256);
    const bytes = COMPRESSIONS[packing](tarOf(analysisMembers(folder, sample, takes)));
    await this.gatherer.send(reply, bytes, {
      type: ARCHIVE_TYPE,
      name: `${id}-${name}.${packing}`,
    });
  }

  #open(reply: FastifyReply, id: number, file: string): Promise<FileHandle | null> {
    return openArtifact(this.by, reply, id, ARTIFACTS.reports, file);
  }
}

/** `?elements=`: a key of the report, or keys joined by dots; null when it is not given, or means nothing here. */
function readElements(elements: unknown, format: string): string | null {
  if (elements === undefined || elements === '') return null;
  if (format === 'html')
    throw problem(404, 'Get specific field is not available in HTML format, try again with JSON format');
  if (format !== 'json') return null;
  if (typeof elements === 'string' && elements.length <= ELEMENTS_LIMIT) return elements;
  throw problem(400, `"elements" must be given once, in at most ${ELEMENTS_LIMIT} characters`);
}

function compression(tar: unknown): Compression {
  if (tar === 'gz') return 'tar.gz';
  return tar === 'tar' ? 'tar' : 'tar.bz2';
}
