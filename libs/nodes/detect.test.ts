import type { ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { detectDialect } from './detect.js';
import { LIMITS, never, sendJson, serve } from './server.fake.js';

const STATUS = {
  version: '2.0.7',
  machines: { total: 1, available: 1 },
  tasks: { reported: 0, running: 0, total: 0, completed: 0, pending: 0 },
};
const PAGE = (response: ServerResponse) => response.writeHead(404).end('<html><h1>Not Found</h1></html>');

type Answers = Readonly<
  Record<string, (response: ServerResponse, authorization: string | undefined) => void>
>;

async function detect(answers: Answers, token: string | null = null): Promise<string> {
  await using server = await serve((request, response) => {
    const answer = answers[request.url ?? ''];
    if (answer) answer(response, request.headers.authorization);
    else PAGE(response);
  });
  return await detectDialect({ ...server.address, token }, LIMITS, never);
}

const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse) =>
    sendJson(response, body, status);
const only =
  (right: string, body: unknown) => (response: ServerResponse, authorization: string | undefined) =>
    sendJson(
      response,
      authorization === right ? body : { message: 'no' },
      authorization === right ? 200 : 401,
    );

describe('whose API it is', () => {
  test('Malkoha says that it lives', async () => {
    const answers = { '/cuckoo/status': only('Bearer T', STATUS), '/health/live': json({ status: 'live' }) };
    expect(await detect(answers, 'T')).toBe('malkoha');
  });

  test.each([
    ['knows no such path', PAGE],
    ['wants a token for it', json({ message: 'no' }, 401)],
    ['has something else there', json({ status: 'up' })],
    ['has a page there', (response: ServerResponse) => response.end('<html>')],
  ])('Cuckoo %s', async (_what, live) => {
    expect(await detect({ '/cuckoo/status': json(STATUS), '/health/live': live })).toBe('cuckoo');
  });

  test('CAPE has an envelope, and its own word before the token', async () => {
    const redirect = (response: ServerResponse) =>
      response.writeHead(301, { location: '/cuckoo/status/' }).end();
    const envelope = { error: false, data: { machines: { total: 1 }, tasks: {} } };
    expect(await detect({ '/cuckoo/status': redirect, '/cuckoo/status/': json(envelope) })).toBe('cape');
    expect(await detect({ '/cuckoo/status/': only('Token T', envelope) }, 'T')).toBe('cape');
    const off = { error: true, error_value: 'Cuckoo Status API is disabled' };
    expect(await detect({ '/cuckoo/status': redirect, '/cuckoo/status/': json(off) })).toBe('cape');
  });

  test.each<[string, Answers, string]>([
    ['nothing it knows', {}, 'NODE_ODD'],
    [
      'a web page',
      { '/cuckoo/status': (response) => response.end('<html><title>Router</title></html>') },
      'NODE_ODD',
    ],
    ['JSON of something else', { '/cuckoo/status': json({ status: 'ok' }) }, 'NODE_ODD'],
    [
      'that its token is wrong',
      { '/cuckoo/status': json({}, 401), '/cuckoo/status/': json({}, 401) },
      'NODE_DENIED',
    ],
    ['that it is broken', { '/cuckoo/status': json({}, 500) }, 'NODE_UNREACHABLE'],
    ['that it is busy', { '/cuckoo/status': json(STATUS), '/health/live': json({}, 503) }, 'NODE_BUSY'],
  ])('is not known when it answers %s', async (_what, answers, code) => {
    await expect(detect(answers)).rejects.toMatchObject({
      code,
      message: expect.stringContaining('node n1: GET '),
    });
  });
});
