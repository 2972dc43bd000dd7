import { Controller, Get, Param, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { Needs } from '../../http/access/needs.js';
import { problem } from '../../http/problem.js';
import { grouped } from '../../grouped.js';
import { Context } from '../context.js';
import { nodeView, type NodeView } from './node-view.js';
import { both, isApi } from './presentations.js';

@Controller()
export class NodesController {
  constructor(private readonly by: Context) {}

  /** At the root the enabled ones. `?mode=workers`: their names as text, for scripts. */
  @Get(both('node'))
  @Needs('read')
  async list(@Req() request: FastifyRequest, @Query('mode') mode?: unknown): Promise<object | string> {
    const rows = await this.by.nodes.list();
    const enabled = rows.filter((row) => row.enabled);
    if (mode === 'workers') return enabled.map(({ name }) => name).join(' ');
    const nodes = await this.#views(isApi(request) ? rows : enabled);
    return isApi(request) ? { success: true, nodes } : { nodes };
  }

  @Get(both('node/:name'))
  @Needs('read')
  async get(@Req() request: FastifyRequest, @Param('name') name: string): Promise<object> {
    const row = await this.by.nodes.find(name);
    if (isApi(request)) return { success: true, nodes: await this.#views(row ? [row] : []) };
    if (!row) throw problem(404, 'No such node');
    const [node] = Object.values(await this.#views([row]));
    return node as NodeView;
  }

  async #views(rows: readonly NodeRow[]): Promise<Readonly<Record<string, NodeView>>> {
    const { nodes, tasks } = this.by;
    const [machines, load, removals, waiting] = await Promise.all([
      nodes.machines(),
      tasks.load(),
      tasks.removalsByNode(),
      tasks.waitingFor(),
    ]);
    const byNode = grouped(machines, ({ nodeId }) => nodeId);
    return Object.fromEntries(
      rows.map((row) => [
        row.name,
        nodeView(row, {
          machines: byNode.get(row.id) ?? [],
          load: load.get(row.id),
          removals: removals.get(row.id) ?? 0,
          waiting: waiting.get(row.id) ?? 0,
        }),
      ]),
    );
  }
}
