import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Needs } from '../../http/access/needs.js';
import { Context } from '../context.js';
import { RouteTable } from '../../http/route-table.js';
import { buildDocument } from './document.js';
import { getDocument, getPage } from './openapi.docs.js';
import { Describe } from './operation.js';
import { renderPage, type Page } from './page/page.js';

@Controller()
export class OpenApiController {
  /** Made when they are first asked for, then kept: the routes stay the same. */
  readonly #made = lazy(() => {
    const document = buildDocument(this.routes.all);
    return { document, bytes: Buffer.from(JSON.stringify(document)) };
  });
  /** The last page, for it differs only by how we are called. */
  #page: { readonly base: string; readonly made: Promise<Page> } | null = null;

  constructor(
    private readonly by: Context,
    private readonly routes: RouteTable,
  ) {}

  @Get('openapi.json')
  @Needs('read')
  @Describe(getDocument)
  async document(@Res() reply: FastifyReply): Promise<void> {
    await reply.header('content-type', 'application/json').send(this.#made().bytes);
  }

  @Get('docs')
  @Needs('read')
  @Describe(getPage)
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const base = baseOf(request);
    if (this.#page?.base !== base) {
      const needsToken = this.by.settings.tokens.length > 0;
      this.#page = { base, made: renderPage(this.#made().document, { base, needsToken }) };
    }
    const { text, policy } = await this.#page.made;
    void reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', policy);
    await reply.send(text);
  }
}

function lazy<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** As the client calls us: what it copies from the page must reach us too. */
function baseOf({ host, headers }: FastifyRequest): string {
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  return `${scheme}://${host}`;
}
