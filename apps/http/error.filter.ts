import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ERRORS, reason, SandboxError } from '#domain/errors.js';
import { isDatabaseAway } from '#storage/away.js';
import type { Log } from '../log.js';
import type { Presentation } from './presentation.js';
import { refusalBody, type Refusal } from './refusal.js';
import type { RouteTable } from './route-table.js';

interface Answer extends Refusal {
  readonly allow?: string;
}

/** The one place where an error of a route or a hook becomes an HTTP answer. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteTable,
    private readonly presentation: Presentation,
    private readonly log: Log,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (reply.sent || reply.raw.destroyed) {
      // The client is gone, or half of the answer is: there is nobody to tell.
      this.log('debug', reason(error), { path: request.url });
      return;
    }
    const { allow, ...refusal } = this.#answer(error, request);
    const { status, code } = refusal;
    if (status >= 500)
      this.log('error', reason(error), { path: request.url, status, ...(code !== undefined && { code }) });
    if (allow !== undefined) void reply.header('allow', allow);
    const asked = { accept: request.headers.accept, url: request.originalUrl };
    const { type, body } = refusalBody(refusal, asked, this.presentation);
    void reply.status(status).header('content-type', type).send(body);
  }

  #answer(error: unknown, request: FastifyRequest): Answer {
    if (error instanceof SandboxError) {
      const { code, message } = error;
      return { status: ERRORS[code].http, message, code };
    }
    if (error instanceof HttpException) return this.#ofHttp(error, request);
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500)
      return { status, message: reason(error) };
    if (isDatabaseAway(error)) {
      const code = 'DATABASE_UNAVAILABLE';
      return { status: ERRORS[code].http, message: `The database does not answer (${reason(error)})`, code };
    }
    return { status: 500, message: 'An internal error occurred', code: 'INTERNAL' };
  }

  #ofHttp(error: HttpException, request: FastifyRequest): Answer {
    const body = error.getResponse();
    const status = error.getStatus();
    if (typeof body === 'object' && Object.keys(body).join() === 'message') {
      const { message } = body as { message: string };
      return { status, message, ...codeOf(status, error.cause) };
    }
    // Nest's own: no such route, or a route with another method.
    const methods = status === 404 ? this.routes.methods(request.url) : [];
    if (methods.length > 0) return { status: 405, message: 'Method not allowed', allow: methods.join(', ') };
    return { status, message: status === 404 ? 'Not found' : error.message };
  }
}

/** What help there is for it: an old status with old words may stand for an error of ours. */
function codeOf(status: number, cause: unknown): Pick<Refusal, 'code'> {
  if (status === 400) return { code: 'BAD_REQUEST' };
  return cause instanceof SandboxError ? { code: cause.code } : {};
}
