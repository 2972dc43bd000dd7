import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import multipart from '@fastify/multipart';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';
import { ApiModule } from './api.module.js';
import type { Context } from './context.js';
import { ErrorFilter } from './error.filter.js';
import { addAuthentication, addHeaders, answerGarbage, HEADERS } from './hooks.js';
import { normalizeUrl } from './paths.js';
import { RouteTable } from './route-table.js';

/** Bytes of a form that is no upload. */
const FORM_LIMIT = 1024 * 1024;
/** Milliseconds a connection may be silent, more than any request waits. */
const IDLE_MS = 120_000;
/** Milliseconds a refused upload is still read, so that its sender gets to read why. */
const LINGER_MS = 5000;

/** The API, not yet listening. */
export async function createServer(context: Context): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    rewriteUrl: (request: IncomingMessage) => normalizeUrl(request.url ?? '/'),
    routerOptions: { maxParamLength: 1024 },
    connectionTimeout: IDLE_MS,
    forceCloseConnections: true,
    clientErrorHandler: answerGarbage,
    frameworkErrors: (_error: unknown, _request: unknown, reply: FastifyReply) => {
      // As bytes: Fastify would add a charset to JSON, and no hook of ours runs here.
      const body = Buffer.from(JSON.stringify({ message: 'The path is not a valid URL' }));
      void reply.code(400).headers(HEADERS).header('content-type', 'application/json').send(body);
    },
  });
  const fastify = adapter.getInstance();
  const routes = new RouteTable();
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.add(one, url);
  });
  addHeaders(fastify);
  addAuthentication(fastify, context.settings.cuckoo.api_token);
  fastify.addHook('onResponse', async ({ raw }) => {
    if (raw.complete || raw.destroyed) return;
    raw.resume();
    setTimeout(() => raw.complete || raw.socket.destroy(), LINGER_MS).unref();
  });

  const app = await NestFactory.create<NestFastifyApplication>(ApiModule.with(context), adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: FORM_LIMIT },
    (_request, body, done) => done(null, new URLSearchParams(String(body))),
  );
  await app.register(multipart);
  app.useGlobalFilters(new ErrorFilter(routes, context.log));
  await app.init();
  await fastify.ready();
  return app;
}
