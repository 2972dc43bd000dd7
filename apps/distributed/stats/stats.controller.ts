import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { History } from '#distribution/history.js';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { CellCache } from './cell-cache.js';
import { readStatsQuery, StatsError, type StatsQuery } from './query.js';
import { statsOf } from './stats.js';

@Controller('api')
export class StatsController {
  readonly #cache = new CellCache();
  readonly #history: History;
  #before: Promise<unknown> = Promise.resolve();

  constructor(private readonly by: Context) {
    this.#history = new History(by.db);
  }

  @Get(['stats', 'stats/:date', 'stats/:date/:time'])
  @Needs('read')
  async stats(
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query() query: Record<string, unknown>,
    @Param('date') date?: string,
    @Param('time') time?: string,
  ): Promise<object> {
    const now = new Date();
    try {
      const asked = readStatsQuery({ date, time, query }, now);
      return await this.#inTurn(() => this.#stats(asked, now));
    } catch (error) {
      if (!(error instanceof StatsError)) throw error;
      // The status of Cuckoo 2.0.7. It is no failure of ours: it is answered, not thrown, so that no log has it as one.
      void reply.status(500);
      return { success: false, message: error.message };
    }
  }

  /** One after another: who asks for what somebody else asks for, too, finds it in the cache. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#before.then(work);
    this.#before = mine.catch(() => {}); // who asked for it is told
    return mine;
  }

  async #stats(query: StatsQuery, now: Date): Promise<object> {
    const rows = await this.by.nodes.list();
    const nodes = rows.filter(({ name, enabled }) => query.nodes?.includes(name) ?? enabled);
    return statsOf({ history: this.#history, cache: this.#cache }, nodes, query, now);
  }
}
