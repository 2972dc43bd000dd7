import { Readable } from 'node:stream';
import { Controller, Get, Headers, Param, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TASK_STATUSES, TERMINAL, type TaskStatus } from '#domain/task.js';
import { parseEventId } from '#queue/events.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import type { ApiMetrics } from '../metrics/api-metrics.js';
import { Describe } from '../openapi/operation.js';
import { readId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { whenGone } from '../../http/when-gone.js';
import { allEvents, taskEvents } from './event-stream.js';
import { streamAll, streamOne } from './events.docs.js';

type QueryValues = Readonly<Record<string, unknown>>;

/** Server-sent events. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
@Controller('tasks/events')
export class EventsController {
  constructor(private readonly by: Context) {}

  @Get()
  @Needs('read')
  @Describe(streamAll)
  async all(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query() query: QueryValues,
    @Headers('last-event-id') header?: string,
  ): Promise<void> {
    const after = readAfter(header, query['last_event_id']);
    const status = readStatus(query['status']);
    const until = whenGone(reply, this.by.shutdown);
    await answer(request, reply, allEvents(this.by, { after, status, until }), this.by.metrics);
  }

  @Get(':id')
  @Needs('read')
  @Describe(streamOne)
  async one(
    @Param('id') idText: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query() query: QueryValues,
    @Headers('last-event-id') header?: string,
  ): Promise<void> {
    const id = readId(idText);
    const after = readAfter(header, query['last_event_id']);
    const status = await this.by.tasks.status(id);
    if (status === null) throw problem(404, 'Task not found');
    const until = whenGone(reply, this.by.shutdown);
    const frames = taskEvents(id, this.by, { after, until });
    if (after === null || !TERMINAL.includes(status)) {
      await answer(request, reply, frames, this.by.metrics);
      return;
    }
    const rest: string[] = [];
    for await (const frame of frames) rest.push(frame);
    if (rest.some((text) => text.includes('data:'))) await answer(request, reply, rest, this.by.metrics);
    // It has it all: 204 ends the connecting again that a browser would go on with.
    else await reply.code(204).send();
  }
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  frames: AsyncIterable<string> | Iterable<string>,
  metrics: ApiMetrics,
): Promise<void> {
  void reply.header('content-type', 'text/event-stream').header('x-accel-buffering', 'no');
  if (request.method === 'HEAD') {
    await reply.send('');
    return;
  }
  metrics.stream(reply.raw);
  await reply.send(Readable.from(frames, { objectMode: false }));
}

/** The header, which browsers send when they connect again, counts more: the query is of the first time. */
function readAfter(header: string | undefined, query: unknown): string | null {
  const given = header ?? query;
  if (given === undefined || given === '') return null;
  const id = typeof given === 'string' ? parseEventId(given) : null;
  if (id === null) throw problem(400, 'Last-Event-ID must be the id of an event, such as 1700000000000-0');
  return id;
}

function readStatus(given: unknown): TaskStatus | null {
  if (given === undefined || given === '') return null;
  const status = TASK_STATUSES.find((known) => known === given);
  if (status === undefined) throw problem(400, `"status" must be one of ${TASK_STATUSES.join(', ')}`);
  return status;
}
