import { normalizeUrl } from './paths.js';

/** Which methods a path has: to answer 405, not 404, to the wrong one. */
export class RouteTable {
  readonly #routes: { readonly method: string; readonly pattern: RegExp }[] = [];

  /** `url` as Fastify has it: `/tasks/view/:id`. */
  add(method: string, url: string): void {
    const pattern = url
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[^\w-]/g, '\\$&')))
      .join('/');
    this.#routes.push({ method, pattern: new RegExp(`^${pattern}$`) });
  }

  methods(url: string): readonly string[] {
    const path = normalizeUrl(url).replace(/[?#].*$/s, '');
    const found = this.#routes.filter((route) => route.pattern.test(path)).map((route) => route.method);
    return [...new Set(found)].toSorted();
  }
}
