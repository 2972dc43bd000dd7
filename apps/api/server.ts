import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import multipart from '@fastify/multipart';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { addAudit } from './access/audit.js';
import { addGate } from './access/gate.js';
import { ApiModule } from './api.module.js';
import type { Context } from './context.js';
import { addDrain } from './drain.js';
import { ErrorFilter } from './error.filter.js';
import { addHeaders, answerGarbage } from './hooks.js';
import { addPace } from './pace.js';
import { normalizeUrl } from './paths.js';
import { RouteTable } from './route-table.js';

/** Bytes of a form that is no upload. */
const FORM_LIMIT = 1024 * 1024;
/** Milliseconds a refused upload is still read, so that its sender gets to read why. */
const LINGER_MS = 5000;

/** Milliseconds. */
export interface TimeLimits {
  /** A connection may be silent for: more than any request waits. */
  readonly idle: number;
  /** All headers of a request must have come in. */
  readonly headers: number;
  /** Some of a body must come in each. */
  readonly pace: number;
  /** What is under way when the API closes must end within. */
  readonly drain: number;
}

export const TIME_LIMITS: TimeLimits = { idle: 120_000, headers: 60_000, pace: 60_000, drain: 5000 };

/** The API, not yet listening. */
export async function createServer(
  context: Context,
  limits: TimeLimits = TIME_LIMITS,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    rewriteUrl: (request: IncomingMessage) => normalizeUrl(request.url ?? '/'),
    // More than Node takes for a request's head: the router has no limit of its own to complain about.
    routerOptions: { maxParamLength: 64 * 1024 },
    connectionTimeout: limits.idle,
    http: {
      headersTimeout: limits.headers,
      connectionsCheckingInterval: limits.headers / 4,
      // Node would answer those without a Host itself, without our headers.
      requireHostHeader: false,
    },
    // After addDrain has let requests end; whatever comes meanwhile is answered too.
    forceCloseConnections: true,
    return503OnClosing: false,
    clientErrorHandler: answerGarbage,
  });
  const fastify = adapter.getInstance();
  const routes = new RouteTable();
  fastify.addHook('onRoute', ({ method, url, config = {} }) => {
    for (const one of [method].flat()) routes.add({ method: one, url, config });
  });
  addDrain(fastify, limits.drain);
  addHeaders(fastify);
  await addGate(fastify, context.settings);
  addPace(fastify, limits.pace);
  addAudit(fastify, context.log);
  context.metrics.meter(fastify);
  // Whatever a client expects of us, it gets an answer of ours.
  fastify.server.on('checkExpectation', (...both) => fastify.server.emit('request', ...both));
  fastify.addHook('onResponse', async ({ raw }) => {
    if (raw.complete || raw.destroyed) return;
    raw.resume();
    setTimeout(() => raw.complete || raw.socket.destroy(), LINGER_MS).unref();
  });

  const app = await NestFactory.create<NestFastifyApplication>(ApiModule.with(context, routes), adapter, {
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
  // As text: who takes JSON reads it, everywhere else it is no form.
  fastify.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: FORM_LIMIT },
    (_request, body, done) => done(null, body),
  );
  await app.register(multipart);
  app.useGlobalFilters(new ErrorFilter(routes, context.log));
  await app.init();
  await fastify.ready();
  return app;
}
