import type { FastifyContextConfig } from 'fastify';
import { normalizeUrl } from './paths.js';

export interface Route {
  readonly method: string;
  /** As Fastify has it: `/tasks/view/:id`. */
  readonly url: string;
  /** What the decorators of its handler say. */
  readonly config: FastifyContextConfig;
}

/** The routes there are: to answer 405, not 404, to the wrong method, and to tell of each. */
export class RouteTable {
  readonly #routes: (Route & { readonly pattern: RegExp })[] = [];

  get all(): readonly Route[] {
    return this.#routes;
  }

  add({ method, url, config }: Route): void {
    const pattern = url
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[^\w-]/g, '\\$&')))
      .join('/');
    this.#routes.push({ method, url, config, pattern: new RegExp(`^${pattern}$`) });
  }

  methods(url: string): readonly string[] {
    const path = normalizeUrl(url).replace(/[?#].*$/s, '');
    const found = this.#routes.filter((route) => route.pattern.test(path)).map((route) => route.method);
    return [...new Set(found)].toSorted();
  }
}
