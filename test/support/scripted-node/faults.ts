import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { json, page, send } from './answer.js';
import type { Endpoint, Knobs } from './options.js';

const PIECE = Buffer.alloc(64 * 1024, ' ');

/** True when the knobs have answered, or left without an answer, a request to this endpoint. */
export async function misbehaves(
  endpoint: Endpoint,
  response: ServerResponse,
  knobs: Knobs,
): Promise<boolean> {
  const wait = knobs.latency[endpoint] ?? 0;
  if (wait > 0) await sleep(wait, undefined, { ref: false });
  const isOne = (list: readonly Endpoint[]) => list.includes(endpoint);
  if (isOne(knobs.hang)) return true;
  if (isOne(knobs.status500)) send(response, json({ message: 'An error occurred' }, 500));
  else if (isOne(knobs.refuse)) send(response, json({ message: 'The file is too large' }, 413));
  else if (isOne(knobs.html)) send(response, page(200, 'Welcome to nginx!'));
  else if (isOne(knobs.redirect))
    send(response, { ...page(302, 'Found'), headers: { location: knobs.redirectTo } });
  else if (isOne(knobs.wrongJson)) send(response, json({ hello: ['world'] }));
  else if (isOne(knobs.notJson)) send(response, { ...json({}), body: Buffer.from('{"tasks": [') });
  else if (isOne(knobs.endless)) endless(response);
  else if (isOne(knobs.tooMany)) {
    const seconds = String(knobs.retryAfter);
    send(response, json({ message: 'Too many requests' }, 429, { 'retry-after': seconds }));
  } else return false;
  return true;
}

/** JSON that begins well, as fast as it is read. */
function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const more = () => {
    while (!response.destroyed && response.write(PIECE));
  };
  response.on('drain', more);
  response.write('{');
  more();
}

/** True when this submission is one of those that are cut off at that point. */
export function cutsUpload(when: 'before' | 'after', response: ServerResponse, knobs: Knobs): boolean {
  if (knobs.cutUpload !== when || knobs.cutUploads <= 0) return false;
  knobs.cutUploads -= 1;
  response.destroy();
  return true;
}
