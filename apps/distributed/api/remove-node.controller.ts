import { Controller, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { ON_NODE } from '#distribution/task.js';
import { Needs } from '../../http/access/needs.js';
import { problem } from '../../http/problem.js';
import { boolean } from '../../http/submission.js';
import { Context } from '../context.js';
import { fieldsOf } from './fields-of.js';
import { both, isApi } from './presentations.js';

/** Tasks move on while they are given up: so often it is tried again. */
const ROUNDS = 5;

@Controller()
export class RemoveNodeController {
  constructor(private readonly by: Context) {}

  /**
   * Ours: the node is forgotten. Not while it has tasks, or tasks wait for it alone, unless with `force=1`: those then go
   * to other nodes, these fail. Answers how many failed.
   */
  @Post(both('node/:name/remove'))
  @Needs('admin')
  @HttpCode(200)
  async remove(
    @Req() request: FastifyRequest,
    @Param('name') name: string,
    @Query() query: Record<string, unknown>,
  ): Promise<object> {
    const { nodes, bells } = this.by;
    const row = await nodes.find(name);
    if (!row) throw problem(404, 'No such node');
    const isForced = await readForce(request, query);
    if (isForced) await nodes.update(row.id, { enabled: false });
    const remove = () => nodes.remove(row.id, { failWaiting: isForced });
    let removal = await remove();
    for (let round = 0; removal.result === 'busy' && isForced && round < ROUNDS; round += 1) {
      await this.#giveUp(row);
      removal = await remove();
    }
    if (removal.result === 'busy') throw problem(409, await this.#busy(row));
    if (removal.result === 'waited for') throw problem(409, waitedFor(row, removal.waiting));
    if (removal.result === 'unknown') throw problem(404, 'No such node');
    bells.nodes();
    bells.place();
    await this.#tell(row, removal.failed);
    const failed = removal.failed.length;
    return isApi(request) ? { success: true, failed } : { failed };
  }

  /** Those that had no other node have ended: nobody needs their files any more. */
  async #tell({ name }: NodeRow, failed: readonly DistTaskRow[]): Promise<void> {
    const { samples, log } = this.by;
    if (failed.length === 0) return;
    const what = failed.length === 1 ? 'a task' : `${failed.length} tasks`;
    log('warn', `node ${name} was removed: ${what} that could run there only failed`, {
      node: name,
      tasks: failed.map(({ id }) => id),
      stage: 'fail',
    });
    for (const { sha256 } of failed) if (sha256 !== null) await samples.remove(sha256);
  }

  async #giveUp({ id, name }: NodeRow): Promise<void> {
    const { tasks } = this.by;
    for (const task of await tasks.onNode(id, ON_NODE)) await tasks.giveUp(task, `node ${name} was removed`);
  }

  async #busy({ id, name }: NodeRow): Promise<string> {
    const {
      assigned = 0,
      sending = 0,
      processing = 0,
      fetching = 0,
    } = (await this.by.tasks.load()).get(id) ?? {};
    const count = assigned + sending + processing + fetching;
    return (
      `The node ${name} has ${count === 1 ? 'a task' : `${count} tasks`}: disable it and wait for their end, ` +
      'or force it (force=1; on the command line --force), and other nodes run them from the beginning'
    );
  }
}

function waitedFor({ name }: NodeRow, waiting: number): string {
  const who = waiting === 1 ? 'A task waits' : `${waiting} tasks wait`;
  return (
    `${who} for the node ${name} only: let it run or delete what waits, or send force=1, and what waits for it ` +
    'fails, what is on it runs elsewhere'
  );
}

/** `force`, in a form or the query. @throws 400 */
async function readForce(request: FastifyRequest, query: Record<string, unknown>): Promise<boolean> {
  if (boolean(await fieldsOf(request, { force: 1 }), 'force')) return true;
  const { force = '' } = query;
  if (typeof force !== 'string') throw problem(400, '"force" must be given once');
  return boolean(new Map([['force', force]]), 'force');
}
