import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EVENTS_STREAM } from '#queue/events.js';
import { Tasks } from '#storage/tasks.js';
import { startApi, startBeside, type TestApi } from '../support/api.js';
import { ask, drive, submit } from '../support/api-client.js';
import { messages, take, words, type Message } from '../support/sse.js';
import { ON } from '../support/task.js';
import { until } from '../support/until.js';

let api: TestApi;

const phase = async (task: number, name: string, by = api): Promise<void> =>
  by.context.events.publish({ kind: 'phase', task, phase: name, ms: 1.5, at: new Date().toISOString() });

async function open(path: string, after?: string, by = api): Promise<AsyncGenerator<Message>> {
  const answer = await fetch(`${by.url}/tasks/events${path}`, {
    headers: after === undefined ? {} : { 'last-event-id': after },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  return messages(answer);
}

async function all(stream: AsyncGenerator<Message>): Promise<Message[]> {
  const list: Message[] = [];
  try {
    for await (const message of stream) list.push(message);
  } catch (error) {
    // An API that ends does not wait for its clients to have read to the end.
    if ((error as Error).message !== 'terminated') throw error;
  }
  return list;
}

/** pending → running → completed, and nobody publishes it: as of a process that died right after its commit. */
async function completeInSilence(id: number): Promise<void> {
  const tasks = new Tasks(api.context.db);
  await tasks.runs.claim(id, 'w', ON);
  await tasks.move(id, 'running', 'completed');
}

const idsOf = (list: readonly Message[]): number[] => list.map(({ id }) => Number(id?.replace('-', '.')));

describe('REST API: events', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  describe('GET /tasks/events/<id>', () => {
    test('phases so far, the status, then every change until the end, each with an id that grows', async () => {
      const id = await submit(api, 'e', 'e');
      await phase(id, 'queued');
      const stream = await open(`/${id}`);
      expect(words(await take(stream, 2))).toEqual(['queued', 'pending']);
      await drive(api, id, 'running');
      await phase(id, 'run');
      await phase(999_999, 'of another task');
      await drive(api, id, 'completed', 'reported');
      const rest = await all(stream);
      expect(words(rest)).toEqual(['running', 'run', 'completed', 'reported']);
      expect(idsOf(rest)).toEqual(idsOf(rest).toSorted((a, b) => a - b));
      expect(new Set(idsOf(rest)).size).toBe(4);
      expect(rest[1]).toMatchObject({ event: 'phase', data: { kind: 'phase', task: id, ms: 1.5 } });
    });

    test('a client that comes back with the last id gets what it missed, once, and then what happens', async () => {
      const id = await submit(api, 'r', 'r');
      const first = await open(`/${id}`);
      const [pending] = await take(first, 1);
      await first.return(undefined);
      await drive(api, id, 'running');
      await phase(id, 'agent');
      const again = await open(`/${id}`, pending?.id ?? '');
      const missed = await take(again, 2);
      expect(words(missed)).toEqual(['running', 'agent']);
      await drive(api, id, 'completed');
      expect(words(await take(again, 1))).toEqual(['completed']);
      await again.return(undefined);
      const byQuery = await open(`/${id}?last_event_id=${missed[0]?.id ?? ''}`);
      expect(words(await take(byQuery, 2))).toEqual(['agent', 'completed']);
      await byQuery.return(undefined);
    });

    test('of a task that has ended: the end for a new client, 204 for one that has seen it', async () => {
      const id = await submit(api, 'o', 'o');
      await drive(api, id, 'running', 'failed_analysis');
      const seen = await all(await open(`/${id}`));
      expect(words(seen)).toEqual(['failed_analysis']);
      const last = seen[0]?.id ?? '';
      expect((await ask(api, `/tasks/events/${id}?last_event_id=${last}`)).status).toBe(204);
      const behind = await all(await open(`/${id}`, '0-0'));
      expect(words(behind)).toEqual(['pending', 'running', 'failed_analysis']);
    });

    test('another API, or one that was started again, knows the phases so far', async () => {
      const id = await submit(api, 'k', 'k');
      await drive(api, id, 'running');
      await phase(id, 'machine');
      await using other = await startBeside(api);
      const stream = await open(`/${id}`, undefined, other);
      expect(words(await take(stream, 2))).toEqual(['machine', 'running']);
      await drive(api, id, 'failed_analysis');
      expect(words(await all(stream))).toEqual(['failed_analysis']);
    });

    test('a change whose event was lost is told from SQL, without an id, and its late event is no news', async () => {
      const id = await submit(api, 'l', 'l');
      const stream = await open(`/${id}`);
      await take(stream, 1);
      await completeInSilence(id);
      expect(await take(stream, 1)).toMatchObject([{ id: null, data: { status: 'completed' } }]);
      const before = new Date(Date.now() - 1000).toISOString();
      await api.context.events.publish({ kind: 'status', task: id, status: 'running', at: before });
      await drive(api, id, 'reported');
      expect(words(await all(stream))).toEqual(['reported']);
    });

    test('an id that the log does not reach back to is said, with the state', async () => {
      const id = await submit(api, 't', 't');
      await phase(id, 'a');
      await drive(api, id, 'running');
      const { redis } = api.context.queues;
      await until(async () => (await redis.xlen(`${EVENTS_STREAM}:${id}`)) === 3);
      await redis.xtrim(`${EVENTS_STREAM}:${id}`, 'MAXLEN', 1);
      const stream = await open(`/${id}`, '5-0');
      const [missed, status] = await take(stream, 2);
      expect(missed).toMatchObject({ event: 'missed', data: { kind: 'missed', after: '5-0', task: id } });
      expect(status).toMatchObject({ data: { status: 'running' } });
      await stream.return(undefined);
    });

    test('a task that is deleted ends its stream', async () => {
      const id = await submit(api, 'd', 'd');
      const stream = await open(`/${id}`);
      await take(stream, 1);
      expect((await ask(api, `/tasks/delete/${id}`)).body).toEqual({ status: 'OK' });
      expect(words(await all(stream))).toEqual(['deleted']);
      expect((await ask(api, `/tasks/events/${id}`)).status).toBe(404);
    });

    test('bad ids are refused with a sentence', async () => {
      const id = await submit(api, 'b', 'b');
      for (const bad of ['x', '-1', '5', '5-', '9'.repeat(40) + '-0', '5-0\r\nid: 7']) {
        const { status, body } = await ask(
          api,
          `/tasks/events/${id}?last_event_id=${encodeURIComponent(bad)}`,
        );
        expect({ bad, status, message: body.message }).toEqual({
          bad,
          status: 400,
          message: 'Last-Event-ID must be the id of an event, such as 1700000000000-0',
        });
      }
      expect((await ask(api, '/tasks/events/424242')).status).toBe(404);
      expect((await ask(api, '/tasks/events/x')).status).toBe(404);
      const head = await fetch(`${api.url}/tasks/events/${id}`, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
        200,
        'text/event-stream',
        '',
      ]);
    });
  });

  describe('GET /tasks/events', () => {
    test('all tasks: what happens from now on, or since an id, or the changes to one status', async () => {
      const stream = await open('');
      const ended = await open('?status=failed_analysis');
      const id = await submit(api, 'a', 'a');
      const other = await submit(api, 'b', 'b');
      await drive(api, id, 'running');
      await phase(id, 'run');
      await drive(api, id, 'failed_analysis');
      await ask(api, `/tasks/delete/${other}`);
      const seen = await take(stream, 6);
      expect(seen.map(({ data }) => data['task'])).toEqual([id, other, id, id, id, other]);
      expect(words(seen)).toEqual(['pending', 'pending', 'running', 'run', 'failed_analysis', 'deleted']);
      expect(await take(ended, 1)).toEqual([seen[4]]);
      await stream.return(undefined);
      await ended.return(undefined);
      const again = await open('', seen[2]?.id ?? '');
      expect(await take(again, 3)).toEqual(seen.slice(3));
      await again.return(undefined);
      expect((await ask(api, '/tasks/events?status=done')).status).toBe(400);
      expect((await fetch(`${api.url}/tasks/events`, { method: 'HEAD' })).status).toBe(200);
    });

    test('the place to come back to is said before anything happens', async () => {
      const answer = await fetch(`${api.url}/tasks/events`);
      const reader = answer.body?.getReader();
      const first = (await reader?.read()) as { value?: Uint8Array } | undefined;
      expect(Buffer.from(first?.value ?? []).toString()).toMatch(/^retry: \d+\nid: \d+-\d+\n\n$/);
      await reader?.cancel();
    });

    test('an id that the log does not reach back to is said, with the number of tasks in each state', async () => {
      await api.context.queues.redis.xtrim(EVENTS_STREAM, 'MAXLEN', 1);
      const stream = await open('', '5-0');
      const [missed, kept] = await take(stream, 2);
      expect(missed).toMatchObject({
        event: 'missed',
        data: { after: '5-0', tasks: { total: expect.any(Number), pending: expect.any(Number) } },
      });
      expect(kept?.id).toMatch(/^\d+-\d+$/);
      await stream.return(undefined);
      const ahead = await open('', '999999999999999-0');
      expect(words(await take(ahead, 1))).toEqual(['missed']);
      const id = await submit(api, 'n', 'n');
      expect(await take(ahead, 1)).toMatchObject([{ data: { task: id, status: 'pending' } }]);
      await ahead.return(undefined);
    });

    test('a reader that does not read costs no memory, and gets everything when it does', async () => {
      const sockets: Socket[] = [];
      const accept = (socket: Socket): void => void sockets.push(socket);
      api.app.getHttpServer().on('connection', accept);
      const client = connect(Number(new URL(api.url).port), '127.0.0.1');
      client.write('GET /tasks/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
      await once(client, 'readable');
      api.app.getHttpServer().off('connection', accept);
      const count = 8000;
      for (let n = 0; n < count; n += 1) void phase(777_777, `${n}-${'x'.repeat(500)}`);
      await phase(777_777, 'last');
      await sleep(200);
      expect(sockets[0]?.writableLength).toBeLessThan(1024 * 1024);
      let text = '';
      for await (const chunk of client as AsyncIterable<Buffer>) {
        text += chunk.toString();
        if (text.includes('"last"')) break;
      }
      const numbers = [...text.matchAll(/"phase":"(\d+)-/g)].map(([, n]) => Number(n));
      expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
    }, 60_000);
  });

  test('streams end when the API ends', async () => {
    const id = await submit(api, 's', 's');
    const other = await startBeside(api);
    const [one, any] = [await open(`/${id}`, undefined, other), await open('', undefined, other)];
    expect(words(await take(one, 1))).toEqual(['pending']);
    const ends = Promise.all([all(one), all(any)]);
    await other[Symbol.asyncDispose]();
    expect(await ends).toEqual([[], []]);
  });

  test('with Redis away the API answers, and a stream tells from SQL', async () => {
    await using fresh = await startApi();
    const id = await submit(fresh, 'z', 'z');
    await fresh.redis[Symbol.asyncDispose]();
    const stream = await open(`/${id}`, undefined, fresh);
    expect(words(await take(stream, 1))).toEqual(['pending']);
    const everything = await fetch(`${fresh.url}/tasks/events`);
    await drive(fresh, id, 'running', 'failed_analysis');
    expect(words(await all(stream))).toContain('failed_analysis');
    expect((await ask(fresh, '/cuckoo/status')).status).toBe(200);
    await everything.body?.cancel();
  }, 30_000);
});
