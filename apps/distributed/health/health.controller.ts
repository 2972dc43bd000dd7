import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Needs, Unlimited } from '../../http/access/needs.js';
import { Readiness } from '../../http/readiness.js';
import { readyAnswer, type ReadyAnswer } from '../../http/ready-answer.js';
import { Context } from '../context.js';

@Controller('health')
export class HealthController {
  constructor(
    private readonly by: Context,
    private readonly readiness: Readiness,
  ) {}

  @Get('live')
  @Needs('none')
  @Unlimited()
  live(): { readonly status: 'live' } {
    return { status: 'live' };
  }

  @Get('ready')
  @Needs('none')
  @Unlimited()
  async ready(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReadyAnswer> {
    return readyAnswer(this.readiness, { request, reply, tokens: this.by.settings.tokens });
  }
}
