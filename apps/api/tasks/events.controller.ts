import { Readable } from 'node:stream';
import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TaskEvent } from '#queue/events.js';
import { Needs } from '../access/needs.js';
import { Context } from '../context.js';
import { parseId } from '../paths.js';
import { notFound, problem } from '../problem.js';
import { whenGone } from '../when-gone.js';

/** Milliseconds between comments: proxies, and our own idle limit, end connections that say nothing. */
const KEEPALIVE_MS = 15_000;

@Controller('tasks/events')
export class EventsController {
  constructor(private readonly by: Context) {}

  /** Server-sent events: phases so far, the status now, then each change, until the task has ended. */
  @Get(':id')
  @Needs('read')
  async events(
    @Param('id') idText: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const id = parseId(idText);
    if (id === null) throw notFound();
    const status = await this.by.tasks.status(id);
    if (status === null) throw problem(404, 'Task not found');
    const until = AbortSignal.any([whenGone(reply), this.by.shutdown]);
    void reply.header('content-type', 'text/event-stream').header('x-accel-buffering', 'no');
    if (request.method === 'HEAD') {
      await reply.send('');
      return;
    }
    const stream = new Readable({ read: () => {} });
    void reply.send(stream);
    const timer = setInterval(() => stream.push(': still here\n\n'), KEEPALIVE_MS);
    try {
      for await (const event of this.by.watch.events(id, status, until)) stream.push(message(event));
    } finally {
      clearInterval(timer);
      stream.push(null);
    }
  }
}

/** JSON.stringify leaves no line break that could end the message early. */
function message(event: TaskEvent): string {
  return `event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
