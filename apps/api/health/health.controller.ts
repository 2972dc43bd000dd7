import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../access/caller.js';
import { Needs, Unlimited } from '../access/needs.js';
import { Context } from '../context.js';
import { Describe } from '../openapi/operation.js';
import { getLive, getReady } from './health.docs.js';
import type { ReadyAnswer } from './health-schema.js';
import { Readiness } from './readiness.js';

@Controller('health')
export class HealthController {
  constructor(
    private readonly by: Context,
    private readonly readiness: Readiness,
  ) {}

  @Get('live')
  @Needs('none')
  @Unlimited()
  @Describe(getLive)
  live(): { readonly status: 'live' } {
    return { status: 'live' };
  }

  @Get('ready')
  @Needs('none')
  @Unlimited()
  @Describe(getReady)
  async ready(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReadyAnswer> {
    const { ready, checks, warnings } = await this.readiness.now();
    void reply.status(ready ? 200 : 503);
    const status = ready ? 'ready' : 'not ready';
    return this.#mayRead(request) ? { status, checks: { ...checks }, warnings: [...warnings] } : { status };
  }

  /** The gate asks for no token here, so it is asked here what the given one may. */
  #mayRead(request: FastifyRequest): boolean {
    const { tokens } = this.by.settings;
    if (tokens.length === 0) return true;
    const { token } = callerOf(request);
    const { scopes = [] } = tokens.find(({ name }) => name === token) ?? {};
    return scopes.includes('read') || scopes.includes('admin');
  }
}
