import { PassThrough } from 'node:stream';
import { Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { reason } from '#domain/errors.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { Needs } from '../../http/access/needs.js';
import { readFields } from '../../http/json-form.js';
import { problem } from '../../http/problem.js';
import { boolean, given, type Fields } from '../../http/submission.js';
import { whenGone } from '../../http/when-gone.js';
import { Context } from '../context.js';
import { checkNode } from './check-node.js';

/** Milliseconds between two empty lines: proxies end a connection on which nothing comes for a minute. */
const BEAT_MS = 15_000;
/** Seconds that the analysis may take: a Windows machine that boots, runs and is examined on a busy host takes half. */
const TIMEOUT_S = 600;
const MOST_S = 24 * 3600;

@Controller('api/node')
export class CheckController {
  constructor(private readonly by: Context) {}

  /** Each finding as a line of JSON as soon as it is there; lines in between may be empty. It ends with its client. */
  @Post(':name/check')
  @HttpCode(200)
  @Needs('admin')
  async check(
    @Param('name') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const wanted = readWanted(await fieldsOf(request));
    const node = await this.by.nodes.find(name);
    if (node === null) throw problem(404, 'No such node');
    const gone = whenGone(reply, this.by.shutdown);
    const lines = new PassThrough();
    void reply.header('content-type', 'application/x-ndjson').header('x-accel-buffering', 'no').send(lines);
    const beat = setInterval(() => lines.write('\n'), BEAT_MS);
    try {
      await this.#examine(node, wanted, lines, gone);
      lines.end();
    } catch (error) {
      // Half of the answer is out: its end that is no end says that something is missing.
      if (!gone.aborted) this.by.log('error', `check of node ${name}: ${reason(error)}`, { node: name });
      lines.destroy(error as Error);
    } finally {
      clearInterval(beat);
    }
  }

  async #examine(node: NodeRow, wanted: Wanted, lines: PassThrough, gone: AbortSignal): Promise<void> {
    const { nodes, clients, settings, bells } = this.by;
    const options = {
      ...wanted,
      formats: settings.reportFormats,
      pcap: settings.pcap,
      limits: clients.limits,
      machines: await nodes.machines(node.id),
    };
    const healthy = await checkNode(
      node,
      clients.of(node),
      options,
      (finding) => lines.writable && lines.write(`${JSON.stringify(finding)}\n`),
      gone,
    );
    if (!healthy) return;
    // It was mended, perhaps: then it need not wait until it would be tried again.
    await nodes.saw(node.id);
    bells.place();
  }
}

interface Wanted {
  readonly analysis: boolean;
  readonly timeoutS: number;
}

async function fieldsOf(request: FastifyRequest): Promise<Fields> {
  if (request.headers['content-type'] === undefined) return new Map();
  return await readFields(request, { analysis: true, timeout: TIMEOUT_S });
}

/** @throws 400 */
export function readWanted(fields: Fields): Wanted {
  const text = given(fields, 'timeout');
  const timeoutS = text === null ? TIMEOUT_S : /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  if (!(timeoutS >= 1 && timeoutS <= MOST_S))
    throw problem(400, `"timeout" must be a whole number of seconds, from 1 to ${MOST_S}`);
  return { analysis: given(fields, 'analysis') === null || boolean(fields, 'analysis'), timeoutS };
}
