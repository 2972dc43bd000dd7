import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { TaskDetails, TaskFilter } from '#storage/task-details.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { parseCount, parseId } from '../../http/paths.js';
import { notFound } from '../../http/problem.js';
import { formatCursor } from './cursor.js';
import { readListQuery, type ListQuery } from './list-query.js';
import { listTasks, listTasksOfSample } from './list.docs.js';
import { taskIdView, taskView } from './task-view.js';

/** Tasks of a list that is answered in one piece; a longer one is streamed. */
const WHOLE_LIST = 200;
/** Tasks of a page asked for by cursor when the client does not say, and at most: a page is one piece in memory. */
const CURSOR_PAGE = { usual: 100, most: 1000 };

@Controller('tasks')
export class ListController {
  constructor(private readonly by: Context) {}

  @Get(['list', 'list/:limit', 'list/:limit/:offset'])
  @Needs('read')
  @Describe(listTasks)
  async list(
    @Res() reply: FastifyReply,
    @Query() query: Record<string, unknown>,
    @Param('limit') limit?: string,
    @Param('offset') offset?: string,
  ): Promise<void> {
    const wanted = readListQuery(query);
    await this.#answer(reply, {
      ...wanted,
      page: { ...wanted.page, ...count('limit', limit), ...count('offset', offset) },
    });
  }

  /** An unknown sample is a sample without tasks. */
  @Get('sample/:id')
  @Needs('read')
  @Describe(listTasksOfSample)
  async ofSample(
    @Res() reply: FastifyReply,
    @Query() query: Record<string, unknown>,
    @Param('id') idText: string,
  ): Promise<void> {
    const sampleId = parseId(idText);
    if (sampleId === null) throw notFound();
    const wanted = readListQuery(query);
    await this.#answer(reply, { ...wanted, filter: wanted.filter && { ...wanted.filter, sampleId } });
  }

  async #answer(reply: FastifyReply, wanted: ListQuery): Promise<void> {
    const show = wanted.idsOnly
      ? taskIdView
      : (details: TaskDetails) => taskView(details, this.by.home.targets);
    if (wanted.filter === null) await reply.send({ tasks: [] });
    else if (wanted.after === undefined) await this.#sendAll(reply, wanted.filter, wanted.page, show);
    else {
      const limit = Math.min(wanted.page.limit ?? CURSOR_PAGE.usual, CURSOR_PAGE.most);
      const { tasks, next } = await this.by.tasks.page(wanted.filter, { limit, after: wanted.after });
      await reply.send({ tasks: tasks.map(show), next_cursor: next && formatCursor(next) });
    }
  }

  async #sendAll(
    reply: FastifyReply,
    filter: TaskFilter,
    page: { readonly limit?: number; readonly offset?: number },
    show: (details: TaskDetails) => unknown,
  ): Promise<void> {
    const tasks = this.by.tasks.list(filter, page);
    const first: unknown[] = [];
    for (let next = await tasks.next(); ; next = await tasks.next()) {
      if (next.done === true) {
        await reply.send({ tasks: first });
        return;
      }
      first.push(show(next.value));
      if (first.length === WHOLE_LIST) break;
    }
    void reply.header('content-type', 'application/json');
    await reply.send(Readable.from(listText(first, tasks, show)));
  }
}

/** `{"tasks": [...]}` as it becomes known: a list of a million tasks is never whole in memory. */
async function* listText(
  first: readonly unknown[],
  rest: AsyncIterable<TaskDetails>,
  show: (details: TaskDetails) => unknown,
): AsyncGenerator<string> {
  yield `{"tasks":[${first.map((task) => JSON.stringify(task)).join(',')}`;
  for await (const details of rest) yield `,${JSON.stringify(show(details))}`;
  yield ']}';
}

function count<const K extends string>(name: K, text: string | undefined): Partial<Record<K, number>> {
  if (text === undefined) return {};
  const value = parseCount(text);
  if (value === null) throw notFound();
  return { [name]: value } as Record<K, number>;
}
