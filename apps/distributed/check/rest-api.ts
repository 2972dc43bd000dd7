import { z } from 'zod';
import { reason } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { detectDialect } from '#nodes/detect.js';
import type { NodeLimits } from '#nodes/node.js';
import { isHtml, messageOf } from '#nodes/answer.js';
import { parseJson } from '#nodes/json.js';
import { hiding } from '#nodes/secret.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import { ask, type Answer } from './ask.js';
import { giveUrl, mend } from './mend.js';
import { isInside, isThisHost } from './networks.js';
import { statusPath, type Candidate, type Patient, type Tell } from './patient.js';
import type { Route } from './route.js';
import { duration } from './words.js';

/** HTTP, a REST API of a known dialect, a token it takes; null when one of them is missing. */
export async function meet(
  { node, options: { limits } }: Patient,
  { url, address }: Route,
  tell: Tell,
  signal: AbortSignal,
): Promise<Answer | null> {
  const asked = { node, url: new URL(statusPath(node.dialect), url) };
  const question = { url: asked.url, address, ms: limits.answer };
  let answer;
  try {
    answer = await ask({ ...question, authorization: authorization(node) }, signal);
  } catch (error) {
    signal.throwIfAborted();
    tell('HTTP', noHttp(error, asked.url, limits.answer));
    return null;
  }
  const { status } = answer;
  tell('HTTP', ok(`GET ${asked.url.href} is answered by ${status} after ${duration(answer.ms)}`));
  if (status === 401 || status === 403) {
    tell('token', denied(answer, asked));
    return null;
  }
  const verdict = judge(answer, asked);
  tell('REST API', verdict.status === 'ok' ? await whose(node, limits, signal) : verdict);
  if (verdict.status !== 'ok') return null;
  const authless = node.token === null ? answer : await ask({ ...question, authorization: null }, signal);
  tell('token', openness(authless.status === 200, node, address));
  return answer;
}

/** Malkoha's API is Cuckoo's and more: which of the two it is takes another question. */
async function whose(node: Candidate, limits: NodeLimits, signal: AbortSignal): Promise<Verdict> {
  try {
    const dialect = await detectDialect(node, limits, signal);
    if (dialect === node.dialect) return ok(`it speaks as ${dialect} does`);
    return warn(
      `it is set up as ${node.dialect}, and speaks as ${dialect} does`,
      `malkoha node refresh ${node.name}, which asks it what it is`,
    );
  } catch (error) {
    signal.throwIfAborted();
    return fail(`it answers now so, now otherwise: ${reason(error)}`, mend(error));
  }
}

/** The header a node of this dialect wants. */
function authorization({ dialect, token }: Candidate): string | null {
  if (token === null) return null;
  return `${dialect === 'cape' ? 'Token' : 'Bearer'} ${token}`;
}

function openness(open: boolean, { name, url, token }: Candidate, address: string): Verdict {
  if (!open && url.startsWith('http:') && !isInside(address))
    return warn(
      'it takes ours, which goes over a public network for everybody to read',
      'put the node behind a proxy that speaks TLS, and give its https:// URL',
    );
  if (!open) return ok('it takes ours, and nobody without one');
  const said = token === null ? 'it asks for none' : 'it asks for none; ours is sent all the same';
  if (isThisHost(address)) return ok(said);
  return warn(
    `${said}: whoever reaches ${address} may submit to it, read it and delete there`,
    `set api_token in cuckoo.conf of the node (CAPE: token_auth_enabled in api.conf), then malkoha node add ${name} ${url} --node-token TOKEN`,
  );
}

function noHttp(error: unknown, url: URL, ms: number): Verdict {
  const { name, code = '' } = error as NodeJS.ErrnoException;
  if (name === 'TimeoutError')
    return fail(
      `it takes the connection and does not answer GET ${url.href} within ${duration(ms)}`,
      'is the API on the node stuck, or busy with something long? See its log, restart it; `curl -m 10 URL` tries it from here',
    );
  if (code.startsWith('HPE_'))
    return fail(
      `what answers does not speak HTTP (${code})`,
      `is ${url.host} the port of its REST API? If it speaks TLS, give its URL with https://`,
    );
  return fail(
    `the connection ends without an answer: ${reason(error)}`,
    'if it speaks TLS, give its URL with https://; else see the log of the API on the node',
  );
}

interface Asked {
  readonly node: Candidate;
  /** What was asked for. */
  readonly url: URL;
}

const counts = z.object({ machines: z.object({}).loose(), tasks: z.object({}).loose() });
const shapes = z.union([
  counts.transform(() => 'cuckoo' as const),
  z.object({ data: counts }).transform(() => 'cape' as const),
  z.object({ error_value: z.string() }).transform(({ error_value: said }) => ({ said })),
]);

/** What an answer to GET cuckoo/status says of what is there. */
export function judge(answer: Answer, asked: Asked): Verdict {
  const { status, body, headers } = answer;
  const hide = hiding(asked.node.token);
  const says = messageOf({ text: body, body: parseJson(body), hide });
  if (status >= 300 && status < 400) return sentOn(headers.location && hide(headers.location), asked);
  if (status === 404 || status === 405)
    return fail(`there is no ${asked.url.pathname}: ${status}, ${says}`, rightUrl(asked.url));
  if (status === 429 || status === 503)
    return fail(
      `it is too busy to answer: ${status}, ${says}`,
      'run this again later; if it stays so, raise rate_limit in cuckoo.conf of the node (CAPE: ratelimit = no in [api] of api.conf)',
    );
  if (status !== 200)
    return fail(`it fails: ${status}, ${says}`, 'the log of the REST API on the node says why');
  if (isHtml(body)) return fail(`it answers with a page: ${says}`, rightUrl(asked.url));
  return judgeBody(parseJson(body), says, asked);
}

function judgeBody(body: unknown, says: string, { url, node }: Asked): Verdict {
  const shape = shapes.safeParse(body);
  if (!shape.success)
    return fail(`it answers, but says nothing of machines and tasks: ${says}`, rightUrl(url));
  if (typeof shape.data === 'object')
    return fail(
      `it refuses to tell: ${quoted(hiding(node.token)(shape.data.said))}`,
      'set enabled = yes in [cuckoostatus], [machinelist] and [taskdelete] of api.conf on that node, which CAPE has switched off, then restart cape-web',
    );
  const isCape = shape.data === 'cape';
  if (isCape === (node.dialect === 'cape')) return ok(`it speaks as ${node.dialect} does`);
  const real = isCape ? 'cape' : 'malkoha or cuckoo';
  return fail(
    `it is set up as ${node.dialect}, and answers as ${real} does`,
    `malkoha node refresh ${node.name}, which asks it what it is`,
  );
}

function sentOn(location: string | undefined, { url, node }: Asked): Verdict {
  const path = url.pathname.split('/').slice(-3).join('/').replace(/\/$/, '');
  const where = location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : null;
  if (where === null) return fail('it sends us elsewhere, and does not say where', rightUrl(url));
  const base = where.href.replace(/cuckoo\/status\/?$/, '');
  const fix = where.href.includes('cuckoo/status')
    ? `if that is right, give the node that address, for it is not followed: ${giveUrl(node.name, base)}`
    : rightUrl(url);
  return fail(`for ${path} it sends us to ${quoted(where.href)}`, fix);
}

function denied({ status, body }: Answer, { node: { name, url, token, dialect } }: Asked): Verdict {
  const says = messageOf({ text: body, body: parseJson(body), hide: hiding(token) });
  const where =
    dialect === 'cape'
      ? `\`curl -d username=… -d password=… ${url}api-token-auth/\` makes one`
      : 'it is api_token in [cuckoo] of cuckoo.conf of the node';
  return fail(
    token === null
      ? `it wants a token, and none is given: ${status}, ${says}`
      : `it does not take our token: ${status}, ${says}`,
    `malkoha node add ${name} ${url} --node-token TOKEN; ${where}`,
  );
}

function rightUrl(url: URL): string {
  return `correct the URL: Malkoha's and Cuckoo's REST API is at http://HOST:8090/, CAPE's at http://HOST:8000/apiv2/; \`curl ${url.href}\` shows what is there`;
}
