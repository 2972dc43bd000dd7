import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import multipart from '@fastify/multipart';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Log } from '../log.js';
import { addAudit } from './access/audit.js';
import { addGate, type GateSettings } from './access/gate.js';
import { addDrain } from './drain.js';
import { ErrorFilter } from './error.filter.js';
import { addHeaders, garbageAnswer } from './hooks.js';
import { addPace } from './pace.js';
import { normalizeUrl } from './paths.js';
import type { Presentation } from './presentation.js';
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

/** What makes one REST API differ from another. */
export interface ServerParts {
  /** Its controllers. */
  readonly module: (routes: RouteTable) => DynamicModule;
  readonly gate: GateSettings;
  readonly presentation: Presentation;
  /** Other writings of a path than `normalizeUrl` knows. */
  readonly rewriteUrl?: (normalized: string) => string;
  /** Counts its requests. */
  readonly meter?: (fastify: FastifyInstance) => void;
  readonly log: Log;
  readonly limits: TimeLimits;
}

/** A REST API, not yet listening. */
export async function createHttpServer(parts: ServerParts): Promise<NestFastifyApplication> {
  const { limits, presentation, log, rewriteUrl = (url) => url } = parts;
  const adapter = new FastifyAdapter({
    rewriteUrl: (request: IncomingMessage) => rewriteUrl(normalizeUrl(request.url ?? '/')),
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
    clientErrorHandler: garbageAnswer(presentation),
  });
  const fastify = adapter.getInstance();
  const routes = new RouteTable();
  fastify.addHook('onRoute', ({ method, url, config = {} }) => {
    for (const one of [method].flat()) routes.add({ method: one, url, config });
  });
  addDrain(fastify, limits.drain);
  addHeaders(fastify, presentation);
  await addGate(fastify, parts.gate);
  addPace(fastify, limits.pace);
  addAudit(fastify, log);
  parts.meter?.(fastify);
  // Whatever a client expects of us, it gets an answer of ours.
  fastify.server.on('checkExpectation', (...both) => fastify.server.emit('request', ...both));
  fastify.addHook('onResponse', async ({ raw }) => {
    if (raw.complete || raw.destroyed) return;
    raw.resume();
    setTimeout(() => raw.complete || raw.socket.destroy(), LINGER_MS).unref();
  });

  const app = await NestFactory.create<NestFastifyApplication>(parts.module(routes), adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  takeForms(fastify);
  await app.register(multipart);
  app.useGlobalFilters(new ErrorFilter(routes, presentation, log));
  await app.init();
  await fastify.ready();
  return app;
}

function takeForms(fastify: FastifyInstance): void {
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
}
