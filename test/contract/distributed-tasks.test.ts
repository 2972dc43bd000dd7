import { access, readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { transaction } from '#storage/turns.js';
import { onEachDatabase } from '../support/databases.js';
import {
  startDistributed,
  type DistributedOptions,
  type TestDistributed,
} from '../support/distributed-api.js';
import { finish, form, process, say, submitFile, taskIn } from '../support/distributed-client.js';
import { aDistSubmission } from '../support/dist-task.js';
import { startRedis, type TestRedis } from '../support/redis.js';

/** Keys of a task that Cuckoo has too, in both presentations. */
const CUCKOOS = [
  ...['path', 'package', 'timeout', 'priority', 'options', 'machine', 'platform', 'tags', 'custom', 'owner'],
  ...['memory', 'clock', 'enforce_timeout', 'id', 'task_id', 'node_id', 'filename'],
];
const PLAIN_DATE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const samplesOf = ({ context }: TestDistributed): Promise<string[]> =>
  readdir(context.settings.samplesDirectory).catch(() => []);
const addNode = async ({ context }: TestDistributed, name = 'node0', enabled = true): Promise<number> => {
  const url = `http://${name}.test/`;
  const row = await context.nodes.add(
    { name, url, token: null, dialect: 'cuckoo', mode: 'normal', enabled },
    [],
  );
  return row?.id ?? 0;
};

describe('the tasks of the Distributed API', () => {
  onEachDatabase((fresh) => {
    const start = async (options: Partial<DistributedOptions> = {}): Promise<TestDistributed> =>
      startDistributed({ db: await fresh(), redis: redis.redis, ...options });

    test('POST /api/task (vector 18)', async () => {
      await using api = await start();
      await addNode(api);
      const post = async (...of: Parameters<typeof form>) => {
        const { status, body } = await say(api, 'POST /api/task', form(...of));
        return [status, body];
      };
      expect(await post({})).toEqual([404, { success: false, message: 'No file has been provided' }]);
      const none = await say(api, 'POST /api/task');
      expect([none.status, none.body.message]).toEqual([404, 'No file has been provided']);
      expect(
        (await say(api, 'POST /task', { body: 'a', headers: { 'content-type': 'text/x' } })).status,
      ).toBe(415);
      expect(await post({}, '')).toEqual([404, { success: false, message: 'Provided file is empty' }]);
      expect(await post({}, 'a')).toEqual([200, { success: true, task_id: 1 }]);
      expect(await post({ node: 'notanode' }, 'a')).toEqual([
        404,
        { success: false, message: 'Node not found' },
      ]);
      for (const node of ['node0\0', 'constructor']) expect((await post({ node }, 'a'))[0]).toBe(404);
      expect(await post({ node: 'node0' }, 'a')).toEqual([200, { success: true, task_id: 2 }]);
      const { body } = await say(api, 'GET /api/task');
      expect(body.tasks).toMatchObject({
        1: { status: 'pending', node_id: null, task_id: null, waits_for: expect.stringContaining('machine') },
        2: { status: 'assigned', node_id: 1, task_id: null },
      });
      expect(api.rung).toEqual(['place', 'place']);
      // Equal files are one; what was refused left none.
      expect(await samplesOf(api)).toHaveLength(1);
    });

    test('every field is kept, tags may come several times, and a list is what is told of them', async () => {
      await using api = await start();
      const id = await submitFile(api, 'the bytes', {
        ...{
          package: 'exe',
          timeout: '60',
          priority: '3',
          options: 'b=2,a=1',
          machine: 'm',
          platform: 'windows',
        },
        ...{ tags: ['x, y', 'z'], custom: 'anything', owner: 'me', memory: 'yes', enforce_timeout: '1' },
        clock: '02-01-2024 03:04:05',
      });
      const { body } = await say(api, `GET /api/task/${id}`);
      const task = taskIn(body, id);
      expect(body).toEqual({ success: true, tasks: { [id]: task } });
      expect(task).toMatchObject({
        ...{ id, task_id: null, node_id: null, filename: 'a.exe', package: 'exe', timeout: 60, priority: 3 },
        ...{ options: 'a=1,b=2', machine: 'm', platform: 'windows', tags: 'x,y,z', custom: 'anything' },
        ...{ owner: 'me', memory: true, enforce_timeout: true, clock: '2024-02-01 03:04:05' },
        ...{ status: 'pending', finished: false, category: 'file', reason: null, reports: [] },
        ...{ submitted: expect.stringMatching(PLAIN_DATE), delegated: null, started: null, completed: null },
      });
      expect(Object.keys(task)).toEqual(expect.arrayContaining(CUCKOOS));
      expect(await readFile(task.path, 'utf8')).toBe('the bytes');
      const root = (await say(api, `GET /task/${id}`)).body;
      expect(root).toEqual({ tasks: { [id]: { ...task, task_id: id } } });
      expect((await say(api, 'GET /task')).body).toEqual(root);
      expect((await say(api, 'GET /api/task')).body).toEqual(body);
    });

    test('a URL is a task as well', async () => {
      await using api = await start();
      const url = 'http://example.test/?a=b#c';
      expect((await say(api, 'POST /task', form({ url }))).body).toEqual({ task_id: 1 });
      expect((await say(api, 'POST /api/task', { body: new URLSearchParams({ url }) })).body.task_id).toBe(2);
      expect((await say(api, 'GET /task/1')).body.tasks[1]).toMatchObject({
        ...{ category: 'url', target: url, path: url, filename: null },
      });
      expect((await say(api, 'POST /task', form({ url }, 'and a file'))).status).toBe(400);
      expect(await samplesOf(api)).toEqual([]);
    });

    test('what is refused leaves no file, and says which field', async () => {
      await using api = await start({ settings: { uploadMaxSize: 10 } });
      await addNode(api, 'off', false);
      for (const [fields, status, says] of [
        [{ timeout: 'soon' }, 400, /"timeout"/],
        [{ priority: '1e3' }, 400, /"priority"/],
        [{ memory: 'perhaps' }, 400, /"memory"/],
        [{ package: 'a\nb' }, 400, /"package"/],
        [{ tags: ['x'.repeat(300)] }, 400, /"tags"/],
        [{ node: 'off' }, 404, /^Node not found$/],
      ] as const) {
        const answer = await say(api, 'POST /task', form(fields, 'a'));
        expect([fields, answer.status, answer.body]).toEqual([
          fields,
          status,
          { success: false, message: expect.stringMatching(says), status },
        ]);
      }
      const large = await say(api, 'POST /api/task', form({}, '12345678901'));
      expect([large.status, large.body.success]).toEqual([413, false]);
      const json = await say(api, 'POST /task', {
        body: '{}',
        headers: { 'content-type': 'application/json' },
      });
      expect(json.status).toBe(415);
      expect((await say(api, 'GET /task')).body).toEqual({ tasks: {} });
      expect(await samplesOf(api)).toEqual([]);
      expect(api.rung).toEqual([]);
    });

    test('the same Idempotency-Key is the same task, once, also on the other path', async () => {
      await using api = await start();
      const send = (path: string, text: string, key = 'k1') =>
        say(api, `POST ${path}`, { ...form({}, text), headers: { 'idempotency-key': key } });
      const first = await Promise.all([send('/task', 'a'), send('/api/task', 'a'), send('/task', 'a')]);
      expect(first.map(({ body }) => body)).toEqual([
        { task_id: 1 },
        { success: true, task_id: 1 },
        { task_id: 1 },
      ]);
      expect((await send('/task', 'b')).status).toBe(422);
      expect((await send('/task', 'b', 'k2')).body).toEqual({ task_id: 2 });
      expect((await send('/task', 'b', 'x'.repeat(300))).status).toBe(400);
      expect(await samplesOf(api)).toHaveLength(2);
    });

    test('GET /task lists what the query asks for', async () => {
      await using api = await start();
      const node = await addNode(api);
      for (const fields of [{ owner: 'a' }, { owner: 'b', priority: '2' }, { owner: 'a' }, { node: 'node0' }])
        await submitFile(api, 'x', fields);
      await finish(api, 1, node, { json: '{}' });
      await process(api, 2, node, 9);
      const ids = async (query: string) =>
        Object.keys((await say(api, `GET /api/task?${query}`)).body.tasks).join();
      expect(await ids('')).toBe('1,2,3,4');
      expect(await ids('limit=2')).toBe('1,2');
      expect(await ids('limit=2&offset=1')).toBe('2,3');
      expect(await ids('limit=0')).toBe('');
      expect(await ids('offset=4')).toBe('');
      expect(await ids('finished=1')).toBe('1');
      expect(await ids('finished=0')).toBe('2,3,4');
      expect(await ids('status=processing')).toBe('2');
      expect(await ids('status=assigned')).toBe('4');
      expect(await ids('owner=a')).toBe('1,3');
      expect(await ids('owner=a&status=finished')).toBe('1');
      expect(await ids('priority=2')).toBe('2');
      expect(await ids('owner=&finished=')).toBe('1,2,3,4');
      const both = await say(api, 'GET /api/v1/task?finished=1&status=pending');
      expect([both.status, both.body.message]).toEqual([
        400,
        'Do not combine finished and status. Finished has been deprecated.',
      ]);
      for (const query of [
        'limit=-1',
        'offset=x',
        'finished=perhaps',
        'status=done',
        'priority=high',
        'limit=1&limit=2',
      ]) {
        const [name] = query.split('=');
        const { status, body } = await say(api, `GET /task?${query}`);
        expect([query, status, body.message]).toEqual([query, 400, expect.stringContaining(`"${name}"`)]);
      }
    });

    test('a long list is whole, and in order', async () => {
      await using api = await start();
      const { db, tasks } = api.context;
      await transaction(db, async (inside) => {
        for (let n = 0; n < 1203; n += 1) await tasks.insert(inside, aDistSubmission(), null);
      });
      const all = Object.keys((await say(api, 'GET /task')).body.tasks).map(Number);
      expect(all).toEqual(Array.from({ length: 1203 }, (_, n) => n + 1));
      const part = await say(api, 'GET /task?offset=600&limit=550');
      expect(Object.keys(part.body.tasks).map(Number)).toEqual(all.slice(600, 1150));
    });

    test('DELETE takes the files along, and the copy on the node (vector 20)', async () => {
      await using api = await start();
      const node = await addNode(api);
      for (const text of ['one', 'two', 'three']) await submitFile(api, text);
      const { body } = await say(api, 'GET /api/task');
      await finish(api, 1, node, { json: '{}', html: '<p>' });
      expect((await say(api, 'GET /api/task/1')).body.tasks[1]).toMatchObject({
        ...{ status: 'finished', finished: true, reports: ['html', 'json'], task_id: 71, node_id: node },
        ...{ started: '2024-01-02 03:04:05', completed: expect.stringMatching(PLAIN_DATE) },
      });
      expect((await say(api, 'DELETE /api/task/1')).body).toEqual({ success: true });
      await expect(access(taskIn(body, 1).path)).rejects.toThrow('ENOENT');
      expect(await readdir(api.context.settings.reportsDirectory)).not.toContain('1');
      const again = await say(api, 'DELETE /api/task/1');
      expect([again.status, again.body]).toEqual([200, { success: false, message: 'Task already deleted' }]);
      expect((await say(api, 'GET /task/1')).body.tasks[1]).toMatchObject({ status: 'deleted', reports: [] });

      await process(api, 2, node, 9);
      const bells = api.rung.length;
      expect((await say(api, 'DELETE /task/2')).body).toBeNull();
      expect(api.rung.slice(bells)).toEqual([`remove ${node}`, 'place']);
      const due = await api.context.tasks.removals(node, 10);
      expect(due.map(({ remoteId }) => remoteId)).toContain(9);
      for (const path of ['/task/99', '/api/task/99']) {
        const gone = await say(api, `DELETE ${path}`);
        expect([gone.status, gone.body.message]).toEqual([404, 'Task not found']);
      }
      expect((await say(api, 'DELETE /api/tasks', form({ task_ids: '1 2 3 77' }))).body).toEqual({
        success: true,
      });
      expect((await say(api, 'GET /api/task?status=deleted')).body.tasks).toMatchObject({
        1: {},
        2: {},
        3: {},
      });
      expect(await samplesOf(api)).toEqual([]);
    });

    test('DELETE /api/tasks takes its ids from a form or the query', async () => {
      await using api = await start();
      for (const text of ['one', 'two', 'three']) await submitFile(api, text);
      await say(api, 'DELETE /api/tasks?task_ids=1+2');
      await say(api, 'DELETE /api/v1/tasks', { body: new URLSearchParams({ task_ids: '3' }) });
      expect((await say(api, 'GET /api/task?status=pending')).body.tasks).toEqual({});
      const bad = await say(api, 'DELETE /api/tasks?task_ids=1+two');
      expect([bad.status, bad.body.message]).toEqual([400, expect.stringContaining('"task_ids"')]);
      expect((await say(api, 'DELETE /api/tasks')).body).toEqual({ success: true });
    });

    test('a task that is not there, and an id that is none', async () => {
      await using api = await start();
      for (const [path, message] of [
        ['/task/1', 'Task not found'],
        ['/api/task/99999999999', 'Task not found'],
        ['/task/one', 'Not found'],
        ['/api/task/-1', 'Not found'],
      ] as const) {
        const { status, body } = await say(api, `GET ${path}`);
        expect([path, status, body.message]).toEqual([path, 404, message]);
      }
    });

    test('nothing is taken while the disk is full', async () => {
      await using api = await start({ settings: { freespace: 1e9 } });
      const { status, body } = await say(api, 'POST /api/task', form({}, 'a'));
      expect([status, body]).toEqual([
        507,
        { success: false, message: expect.stringMatching(/MB are free.*freespace in distributed\.conf/) },
      ]);
    });
  });
});
