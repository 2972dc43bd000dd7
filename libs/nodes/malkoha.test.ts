import { describe, expect, test } from '@jest/globals';
import { NodeHttp } from './http.js';
import { MalkohaNode } from './malkoha.js';
import type { NodeEvent } from './node.js';
import { LIMITS, never, sendJson, serve, type FakeServer } from './server.fake.js';

/** What came until the stream ended or broke, and with which error. */
async function listen(
  { address }: FakeServer,
  { after = null, signal = never }: { readonly after?: string | null; readonly signal?: AbortSignal } = {},
): Promise<{ readonly events: readonly NodeEvent[]; readonly error: unknown }> {
  const client = new MalkohaNode(new NodeHttp(address, LIMITS));
  const events: NodeEvent[] = [];
  try {
    for await (const event of client.events(after, signal)) events.push(event);
    return { events, error: null };
  } catch (error) {
    return { events, error };
  } finally {
    client.close();
  }
}

const streaming = (text: string, seen: unknown[] = []) =>
  serve((request, response) => {
    seen.push(request.headers['last-event-id']);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
  });

const at = '2026-03-02T09:15:12.000Z';
const frame = (id: string, event: object) => `id: ${id}\nevent: x\ndata: ${JSON.stringify(event)}\n\n`;

describe('events', () => {
  test('begin with a look, and tell what tasks have become', async () => {
    await using server = await streaming(
      [
        'retry: 3000\nid: 7-0\n\n',
        frame('8-0', { kind: 'status', task: 3, status: 'running', at }),
        ': still here\n\n',
        frame('8-1', { kind: 'phase', task: 3, phase: 'run', ms: 4, at }),
        frame('9-0', { kind: 'deleted', task: 4, at }),
        frame('9-1', { kind: 'something of a later version' }),
        `event: missed\ndata: ${JSON.stringify({ kind: 'missed', after: '1-0' })}\n\n`,
      ].join(''),
    );
    const { events, error } = await listen(server);
    expect(events).toEqual([
      { kind: 'look', id: '7-0' },
      { kind: 'status', id: '8-0', task: 3, status: 'running' },
      { kind: 'status', id: '9-0', task: 4, status: 'deleted' },
      { kind: 'look', id: '9-1' },
    ]);
    expect(error).toMatchObject({ code: 'NODE_UNREACHABLE' });
  });

  test('go on after the last one', async () => {
    const seen: unknown[] = [];
    await using server = await streaming('id: 7-0\n\n', seen);
    await listen(server, { after: '5-0' });
    await listen(server);
    expect(seen).toEqual(['5-0', undefined]);
  });

  test('end when the caller does not listen any more', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 7-0\n\n');
    });
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 50);
    expect(await listen(server, { signal: gone.signal })).toEqual({
      events: [{ kind: 'look', id: '7-0' }],
      error: null,
    });
    expect(await listen(server, { signal: gone.signal })).toEqual({ events: [], error: null });
  });

  test.each(['{', '{"kind":"status","task":"3","status":"running"}', '{"task":3}', '[]'])(
    '%j is none',
    async (data) => {
      await using server = await streaming(`data: ${data}\n\n`);
      expect((await listen(server)).error).toMatchObject({ code: 'NODE_ODD' });
    },
  );

  test('a line without end is none', async () => {
    await using server = await streaming(`data: ${'x'.repeat(1024 * 1024)}`);
    expect((await listen(server)).error).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  });

  test('a page is no stream', async () => {
    await using page = await serve((_request, response) => response.end('<html>'));
    expect((await listen(page)).error).toMatchObject({ code: 'NODE_ODD' });
    await using refused = await serve((_request, response) => sendJson(response, { message: 'no' }, 401));
    expect((await listen(refused)).error).toMatchObject({ code: 'NODE_DENIED' });
  });
});

test('machines have their architecture, where the version tells it', async () => {
  let states = true;
  await using server = await serve((request, response) => {
    if (request.url === '/machines/list') sendJson(response, { machines: [{ name: 'a' }, { name: 'b' }] });
    else if (states)
      sendJson(response, { machines: [{ name: 'a', arch: 'x64', reserved: true, state: 'ready' }] });
    else sendJson(response, { message: 'Not found' }, 404);
  });
  const client = new MalkohaNode(new NodeHttp(server.address, LIMITS));
  expect((await client.machines(never)).machines).toMatchObject([
    { name: 'a', arch: 'x64', reserved: true },
    { name: 'b', arch: null, reserved: false },
  ]);
  states = false;
  expect((await client.machines(never)).machines).toMatchObject([{ name: 'a', arch: null }, { name: 'b' }]);
  client.close();
});

describe('withdrawing', () => {
  async function withdraw(status: string): Promise<{ readonly gone: boolean; readonly asked: string[] }> {
    // As a version that does not read the condition.
    await using server = await serve((request, response) =>
      sendJson(
        response,
        request.url?.startsWith('/tasks/view') ? { task: { id: 3, status } } : { status: 'OK' },
      ),
    );
    const client = new MalkohaNode(new NodeHttp(server.address, LIMITS));
    const gone = await client.withdraw(3, never);
    client.close();
    return { gone, asked: server.asked };
  }

  test('deletes what is pending, if it still is by then', async () => {
    const asked = ['GET /tasks/view/3', 'GET /tasks/delete/3?status=pending'];
    expect(await withdraw('pending')).toEqual({ gone: true, asked });
  });

  test.each(['running', 'reported', 'failed_analysis'])('leaves what is %s', async (status) => {
    expect(await withdraw(status)).toEqual({ gone: false, asked: ['GET /tasks/view/3'] });
  });
});
