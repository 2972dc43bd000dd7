import { Controller, Delete, HttpCode, type HttpException, Param, Post, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { Dialect } from '#nodes/dialect.js';
import type { NodeAddress } from '#nodes/node.js';
import { auditNode } from '../../http/access/audit.js';
import { Needs } from '../../http/access/needs.js';
import { problem } from '../../http/problem.js';
import { unhurried } from '../../http/unhurried.js';
import { whenGone } from '../../http/when-gone.js';
import { Context } from '../context.js';
import { fieldsOf } from './fields-of.js';
import { look, type Looked } from './look.js';
import { NODE_EXAMPLE, readNodeForm, type NodeForm } from './node-form.js';
import { both, done, isApi } from './presentations.js';

const NAME_TAKEN = 'There is already a node with this name';
const unknown = () => problem(404, 'No such node');

/** What changes the table of nodes. A node is asked itself before anything is stored of it. */
@Controller()
export class NodeChangesController {
  constructor(private readonly by: Context) {}

  @Post(both('node'))
  @Needs('admin')
  @HttpCode(200)
  async add(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { name, url, token = null, ...form } = readNodeForm(await fieldsOf(request, NODE_EXAMPLE));
    if (name === undefined) throw problem(404, 'Missing node name');
    auditNode(request, name);
    if (url === undefined) throw problem(404, 'Missing IP address or direct URL');
    if (await this.by.nodes.find(name)) throw problem(409, NAME_TAKEN);
    await this.#mustBeNew(url, null);
    const seen = await this.#look(request, reply, {
      address: { name, url, token },
      dialect: form.dialect ?? null,
    });
    const { mode = 'normal', enabled = true } = form;
    const row = await this.by.nodes.add(
      { name, url, token, dialect: seen.dialect, mode, enabled },
      seen.machines.machines,
    );
    if (!row) throw await this.#taken(url, null);
    await this.by.nodes.saw(row.id, seen.status.raw);
    this.by.bells.nodes();
    return answer(request, name, seen);
  }

  /** Changes what is given. Another address, token or dialect is tried first. */
  @Put(both('node/:name'))
  @Needs('admin')
  async change(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('name') oldName: string,
  ): Promise<object | string> {
    const row = await this.#find(oldName);
    const form = readNodeForm(await fieldsOf(request, NODE_EXAMPLE));
    const { name = row.name, url = row.url, token = row.token } = form;
    if (name !== row.name && (await this.by.nodes.find(name))) throw problem(409, NAME_TAKEN);
    if (url !== row.url) await this.#mustBeNew(url, row.id);
    mustSayToken(row, form);
    const isOther = url !== row.url || token !== row.token || form.dialect !== undefined;
    const seen = isOther
      ? await this.#look(request, reply, { address: { name, url, token }, dialect: form.dialect ?? null })
      : null;
    await this.#save(row, { ...form, ...(seen && { dialect: seen.dialect }) }, seen);
    return done(request, reply);
  }

  /** Asks for its machines again; `dialect` when it is not to be found out. */
  @Post(both('node/:name/refresh'))
  @Needs('admin')
  @HttpCode(200)
  async refresh(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('name') name: string,
  ): Promise<object> {
    const row = await this.#find(name);
    const { dialect = null } = readNodeForm(await fieldsOf(request, { dialect: 'cuckoo' }));
    const seen = await this.#look(request, reply, { address: row, dialect });
    await this.#save(row, { dialect: seen.dialect }, seen);
    return answer(request, name, seen);
  }

  /** Only disables it: what is on it is brought to its end, and its history stays. */
  @Delete(both('node/:name'))
  @Needs('admin')
  async disable(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('name') name: string,
  ): Promise<object | string> {
    await this.#save(await this.#find(name), { enabled: false }, null);
    return done(request, reply);
  }

  async #find(name: string): Promise<NodeRow> {
    const row = await this.by.nodes.find(name);
    if (!row) throw unknown();
    return row;
  }

  /** Somebody else was a moment faster. */
  async #taken(url: string, id: number | null): Promise<HttpException> {
    await this.#mustBeNew(url, id);
    return problem(409, NAME_TAKEN);
  }

  /** Two names for one node would run twice its share. @throws 409 */
  async #mustBeNew(url: string, id: number | null): Promise<void> {
    const other = (await this.by.nodes.list()).find((row) => row.url === url && row.id !== id);
    if (other) throw problem(409, `The node ${other.name} is at ${url} already`);
  }

  async #look(
    request: FastifyRequest,
    reply: FastifyReply,
    { address, dialect }: { readonly address: NodeAddress; readonly dialect: Dialect | null },
  ): Promise<Looked> {
    const form = isApi(request) ? 'api' : 'root';
    const { limits } = this.by.clients;
    const gone = whenGone(reply, this.by.shutdown);
    return unhurried(reply, () => look({ address, dialect, limits, form }, gone));
  }

  async #save(
    row: NodeRow,
    part: Parameters<Context['nodes']['update']>[1],
    seen: Looked | null,
  ): Promise<void> {
    const { nodes, bells } = this.by;
    const result = await nodes.update(row.id, part);
    if (result === 'taken') throw await this.#taken(part.url ?? row.url, row.id);
    if (result === 'unknown') throw unknown();
    if (seen) {
      await nodes.setMachines(row.id, seen.machines.machines);
      await nodes.saw(row.id, seen.status.raw);
    }
    bells.nodes();
  }
}

/** A token is for the host that it was given for: no other is shown it unasked. @throws 400 */
function mustSayToken(row: NodeRow, { url = row.url, token }: NodeForm): void {
  if (row.token === null || token !== undefined || new URL(url).origin === new URL(row.url).origin) return;
  throw problem(
    400,
    `The token of ${row.name} was given for ${new URL(row.url).origin}: give "token" (node add: --node-token) with the new URL, empty when none is needed there`,
  );
}

/** Below /api the machines as the node has them, as 2.0.7 answers. */
function answer(request: FastifyRequest, name: string, { machines: { machines, raw } }: Looked): object {
  if (isApi(request)) return { success: true, machines: raw };
  return {
    name,
    machines: machines.map((one) => ({ name: one.name, platform: one.platform, tags: one.tags })),
  };
}
