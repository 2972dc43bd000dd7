import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dialect } from '#nodes/dialect.js';
import { json, page, send, type Answer, type Asked } from './answer.js';
import { capeRoute } from './cape-routes.js';
import { cuckooRoute, message } from './cuckoo-routes.js';
import { misbehaves } from './faults.js';
import { malkohaRoute } from './malkoha-routes.js';
import type { World } from './world.js';

const ROUTES = { cuckoo: cuckooRoute, malkoha: malkohaRoute, cape: capeRoute };

/** Answers one request as a node of this dialect does, or as the knobs have it. */
export async function dispatch(
  world: World,
  counts: Map<string, number>,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  const { dialect } = world;
  const url = new URL(`http://node${request.url ?? '/'}`);
  const path = segments(url.pathname, dialect);
  const asked: Asked = { method: request.method ?? 'GET', path, query: url.searchParams, request, response };
  const route = ROUTES[dialect](world, asked);
  const endpoint = route?.endpoint ?? 'other';
  counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  if (await misbehaves(endpoint, response, world.knobs)) return;
  const denied = endpoint === 'health' ? null : refusal(world, request);
  const answer = denied ?? (route ? await route.answer() : noSuchPath(dialect));
  if (answer !== null && !response.destroyed) send(response, answer, world.knobs.cutAfter[endpoint]);
}

/** Of a path; Malkoha takes the ways of writing one that clients have. */
function segments(pathname: string, dialect: Dialect): string[] {
  if (dialect === 'cape') return decode(pathname.slice(1));
  const plain = pathname.replace(/^\/v1(?=\/)/, '');
  return decode(
    dialect === 'malkoha' ? plain.replace(/\/{2,}/g, '/').replace(/^\/|\/$/g, '') : plain.slice(1),
  );
}

function decode(path: string): string[] {
  return path.split('/').map(decodeURIComponent);
}

function refusal({ knobs, dialect }: World, request: IncomingMessage): Answer | null {
  const given = request.headers.authorization;
  if (knobs.token === null || given === `${dialect === 'cape' ? 'Token' : 'Bearer'} ${knobs.token}`)
    return null;
  if (dialect === 'cape') {
    const detail = given === undefined ? 'Authentication credentials were not provided.' : 'Invalid token.';
    return json({ detail }, 401, { 'www-authenticate': 'Token' });
  }
  const header = `'Authorization: Bearer <TOKEN>' header`;
  return message(401, `Authentication in the form of an ${header} is required`);
}

function noSuchPath(dialect: Dialect): Answer {
  return dialect === 'malkoha' ? message(404, 'Not found') : page(404, '404 Not Found');
}
