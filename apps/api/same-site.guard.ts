import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { problem } from './problem.js';

/**
 * For what changes something: a page of another site that the operator looks at must not submit or delete, and a
 * GET that deletes needs no more than an image tag. Programs send neither header.
 */
@Injectable()
export class SameSiteGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (headers['sec-fetch-site'] === 'cross-site' || isForeign(headers.origin, headers.host)) {
      throw problem(403, 'Requests from pages of other sites are refused');
    }
    return true;
  }
}

/** `null` is the origin of sandboxed frames and local files: nobody's, so foreign. */
function isForeign(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
