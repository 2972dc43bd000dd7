import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DataSource } from 'typeorm';
import { openDistDatabase } from '#distribution/database.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { History } from '#distribution/history.js';
import { Nodes } from '#distribution/nodes.js';
import { DistTasks } from '#distribution/tasks.js';
import { utcText } from '#storage/columns.js';
import { DISTRIBUTED, rewriteUrl } from '../../apps/distributed/api/presentations.js';
import { Context } from '../../apps/distributed/context.js';
import { StatsController } from '../../apps/distributed/stats/stats.controller.js';
import { StatusController } from '../../apps/distributed/status/status.controller.js';
import { plainDate } from '#domain/plain-date.js';
import { createHttpServer, TIME_LIMITS } from '../../apps/http/server.js';
import { onEachDatabase } from '../support/databases.js';
import { addNode, insertDistTask } from '../support/dist-task.js';

const MINUTE = 60_000;

interface Past {
  readonly submitted: Date;
  readonly completed?: Date;
  readonly state?: string;
  readonly priority?: number;
}

onEachDatabase((fresh) => {
  let db: DataSource;
  let tasks: DistTasks;
  let history: History;
  beforeEach(async () => {
    db = await openDistDatabase(await fresh(), '/');
    tasks = new DistTasks(db, { ageingMs: 1000 });
    history = new History(db);
  });
  afterEach(() => db.destroy());

  async function put({ submitted, completed, state, priority = 1 }: Past): Promise<void> {
    const { id } = await insertDistTask(db, tasks, { priority });
    const end = completed ? `'${utcText(completed)}'` : 'NULL';
    const is = state ?? (completed ? 'finished' : 'pending');
    await db.query(
      `UPDATE dist_tasks SET state = '${is}', submitted_on = '${utcText(submitted)}', completed_on = ${end} WHERE id = ${id}`,
    );
  }
  async function say(node: NodeRow, at: Date, status: object): Promise<void> {
    const text = JSON.stringify(status);
    await db.query(
      `INSERT INTO node_statuses (node_id, timestamp, status) VALUES (${node.id}, '${utcText(at)}', '${text}')`,
    );
  }

  describe('the history of tasks', () => {
    const noon = new Date('2017-08-16T12:00:00Z');
    const at = (minutes: number) => new Date(noon.getTime() + minutes * MINUTE);
    const span = { since: noon, until: at(60) };

    test('counts by minute and by hour what ended, well or badly, from the first moment up to the last', async () => {
      await put({ submitted: at(-90), completed: at(-0.001) });
      await put({ submitted: at(-90), completed: at(0) });
      await put({ submitted: at(1), completed: at(5.5), state: 'failed' });
      await put({ submitted: at(1), completed: at(5.9), state: 'deleted' });
      await put({ submitted: at(1), completed: at(60) });
      await put({ submitted: at(1) });
      expect([...(await history.completed(span, 'minute'))].sort()).toEqual([
        [at(0).getTime(), 1],
        [at(5).getTime(), 2],
      ]);
      expect([...(await history.completed(span, 'hour'))]).toEqual([[noon.getTime(), 3]]);
    });

    test('what was deleted before its end counts as never submitted', async () => {
      await put({ submitted: at(3) });
      await put({ submitted: at(3.5), state: 'deleted' });
      await put({ submitted: at(4), completed: at(9), state: 'deleted' });
      expect([...(await history.submitted(span, 'hour'))]).toEqual([[noon.getTime(), 2]]);
      expect(await Promise.all([3, 3.1, 4.1, 9, 9.1].map((one) => history.uncompletedAt(at(one))))).toEqual([
        0, 1, 2, 2, 1,
      ]);
    });

    test('counts by priority what has not ended of what was there by then', async () => {
      for (const priority of [1, 1, 2, 999, -3]) await put({ submitted: at(1), priority });
      await put({ submitted: at(1), priority: 2, state: 'processing' });
      await put({ submitted: at(1), priority: 2, completed: at(2) });
      await put({ submitted: at(30), priority: 7 });
      expect(await history.queued(at(30))).toEqual({ '1': 2, '2': 2, '999': 1, '-3': 1 });
    });

    test('no table is read through for it', async () => {
      const isSqlite = db.options.type === 'better-sqlite3';
      const planned: string[] = [];
      const query = db.query.bind(db);
      db.query = async (sql: string) => {
        planned.push(JSON.stringify(await query(`EXPLAIN ${isSqlite ? 'QUERY PLAN' : ''} ${sql}`)));
        return query(sql);
      };
      if (!isSqlite) await query('SET enable_seqscan = off');
      await history.completed(span, 'minute');
      await history.submitted(span, 'hour');
      await history.uncompletedAt(noon);
      await history.queued(noon);
      for await (const _ of history.statuses(1, [span]));
      expect(planned).toHaveLength(5);
      for (const plan of planned) {
        expect(plan).toMatch(/dist_tasks_(un)?completed|dist_tasks_submitted|node_statuses_node/);
        expect(plan).not.toMatch(
          /SCAN dist_tasks"|SCAN node_statuses"|Seq Scan on (dist_tasks|node_statuses)/,
        );
      }
    });
  });

  describe('the API', () => {
    let app: NestFastifyApplication;
    let url: string;
    let node: NodeRow;
    beforeEach(async () => {
      node = await addNode(db, 'one');
      app = await serve(db, tasks);
      await app.listen(0, '127.0.0.1');
      url = await app.getUrl();
    });
    afterEach(() => app.close());

    const get = async (path: string) => {
      const answer = await fetch(`${url}${path}`);
      const type = answer.headers.get('content-type');
      return { status: answer.status, type, body: (await answer.json()) as never };
    };
    const stats = async (path: string) => (await get(path)).body as Record<string, Record<string, never>>;
    const status = {
      tasks: { reported: 5, running: 1, total: 9, completed: 1, pending: 2 },
      machines: { total: 4, available: 3 },
      cpuload: [1, 0.5, 0.2],
      cpu_count: 4,
      memory: 41.5,
      diskspace: { analyses: { free: 60, total: 100, used: 40 } },
      processes: { cuckoo: 12, p1: 13 },
    };

    test('GET /status and /api/status tell of nodes what they last said, and count tasks', async () => {
      await new Nodes(db).saw(node.id, status);
      await addNode(db, 'silent');
      await insertDistTask(db, tasks, { priority: 2 });
      const failed = await insertDistTask(db, tasks);
      expect(await tasks.fail(failed, 'no node could', { clean: false })).toBe(true);
      expect(await get('/status')).toEqual({
        status: 200,
        type: 'application/json',
        body: { nodes: { one: status.tasks }, tasks: { processing: 0, processed: 1, pending: 1 } },
      });
      const { body } = await get('/api/v1/status');
      const none = { pending: 0, assigned: 0, processing: 0, finished: 0, failed: 0, deleted: 0 };
      const space = { free: expect.any(Number), total: expect.any(Number), used: expect.any(Number) };
      expect(body).toEqual({
        success: true,
        nodes: { one: { ...status, timestamp: expect.any(Number) } },
        tasks: {
          ...{ all: { ...none, pending: 1, failed: 1 }, today: { ...none, pending: 1, failed: 1 } },
          ...{ prio1: { ...none, failed: 1 }, today1: { ...none, failed: 1 } },
          ...{ prio2: { ...none, pending: 1 }, today2: { ...none, pending: 1 } },
        },
        dist: { diskspace: { reports: space, samples: space } },
        timestamp: expect.any(Number),
      });
    });

    test('GET /api/stats of a day, written without zeros: eight statistics of four periods, and the nodes', async () => {
      for (const path of ['/api/stats/2017-8-16', '/api/v1/stats/2017-08-16/13:40', '/api/stats']) {
        const body = await stats(path);
        expect(Object.keys(body)).toEqual([
          ...['nodes', 'task_completed', 'task_uncompleted', 'vm_running', 'disk_usage'],
          ...['cpu_usage', 'memory_usage', 'amount_prio_queued', 'active_processes'],
        ]);
        expect(Object.keys(body['task_completed'] ?? {})).toEqual(['hour', 'day', 'week', 'month']);
      }
      const { info } = (await stats('/api/stats/2017-8-16/13:40'))['task_completed']?.['hour'] as unknown as {
        info: object;
      };
      expect(info).toEqual({
        ...{ start: '2017-08-16 12:40:00', finish: '2017-08-16 13:40:00' },
        ...{ step_size: 5, max_points: 12, max: 0 },
      });
    });

    test('what is asked for is all that comes; what is none is refused in the words of Cuckoo 2.0.7, with its status', async () => {
      await addNode(db, 'two');
      const some = await stats('/api/stats/2017-8-16?nodes=two,nowhere&include=memory_usage&period=hour');
      expect(some).toEqual({
        nodes: ['two'],
        memory_usage: { hour: { two: { info: expect.objectContaining({ max: 100 }), points: [] } } },
      });
      for (const [path, message] of [
        ['/api/stats/yesterday', 'Given date does not match format YYYY-MM-DD'],
        ['/api/stats/2017-8-16/25:00', 'Given time does not match format HH:MM'],
        ['/api/stats?include=x', `Unknown statistics key 'x'`],
        ['/api/v1/stats?period=year', `Unknown period key 'year'`],
      ] as const)
        expect(await get(path)).toEqual({
          status: 500,
          type: 'application/json',
          body: { success: false, message },
        });
    });

    test('points show what was in their steps; a node that said nothing has none; asked again they are the same', async () => {
      const end = new Date(2017, 7, 16, 13, 40);
      const at = (minutes: number) => new Date(end.getTime() + minutes * MINUTE);
      await put({ submitted: at(-13), completed: at(-8) });
      await put({ submitted: at(-12), completed: at(-7), state: 'failed' });
      await put({ submitted: at(-4) });
      await say(node, at(-10), { ...status, memory: 12 });
      await say(node, at(-6), status);
      await say(node, at(-1), { machines: 'many', memory: 50 });
      await new Nodes(db).saw(node.id, status);
      const two = await addNode(db, 'two');
      await say(two, at(-7), { machines: { total: 2, available: 0 } });
      const path = '/api/stats/2017-8-16/13:40?period=hour';
      const body = await stats(path);
      const point = (minutes: number, value: number) => ({ datetime: plainDate(at(minutes)), value });
      const hour = (of: string) => body[of]?.['hour'] as unknown as { info: object; points: object[] };
      expect(hour('task_completed').points.slice(-3)).toEqual([point(-10, 0), point(-5, 2), point(0, 0)]);
      expect(hour('task_completed').info).toMatchObject({ max: 2 });
      expect(hour('task_uncompleted').points.slice(-4)).toEqual([
        ...[point(-15, 0), point(-10, 2), point(-5, 0), point(0, 1)],
      ]);
      expect(hour('vm_running')).toMatchObject({ info: { max: 4 }, points: [point(-5, 3)] });
      expect(hour('cpu_usage')).toMatchObject({ one: { points: [point(-5, 25)] }, two: { points: [] } });
      expect(hour('memory_usage')).toMatchObject({ one: { points: [point(-5, 41), point(0, 50)] } });
      expect(hour('disk_usage')).toMatchObject({
        one: { info: { disks: { analyses: { total: 100 } } }, points: { analyses_used: [point(-5, 40)] } },
        two: { info: { disks: {} }, points: {} },
      });
      expect(body['amount_prio_queued']).toEqual({
        info: { date: '2017-08-16 13:40:00' },
        priorities: { '1': 1 },
      });
      expect(body['active_processes']).toEqual({
        one: { cuckoo: false, other: [] },
        two: { cuckoo: false, other: [] },
      });
      const before = await stats('/api/stats/2017-8-16/13:34?include=active_processes');
      expect(before['active_processes']).toMatchObject({ one: { cuckoo: true, other: ['p1'] } });
      await db.query('DELETE FROM node_statuses');
      const again = await stats(path);
      const { active_processes: _, ...kept } = body;
      expect(again).toMatchObject(kept);
    });

    test('a step that goes on is looked at each time', async () => {
      const last = async () => {
        const { task_uncompleted: open } = await stats('/api/stats?include=task_uncompleted&period=day');
        const { points } = open?.['day'] as unknown as { points: { value: number }[] };
        return points.at(-1)?.value;
      };
      expect(await last()).toBe(0);
      await put({ submitted: new Date(Date.now() - 2 * MINUTE) });
      expect(await last()).toBe(1);
    });
  });
});

@Module({})
class Some {}

/** These two controllers on their own. */
async function serve(db: DataSource, tasks: DistTasks): Promise<NestFastifyApplication> {
  const settings = { reportsDirectory: '/', samplesDirectory: '/' };
  const context = { db, tasks, nodes: new Nodes(db), settings } as unknown as Context;
  const module = (): DynamicModule => ({
    module: Some,
    controllers: [StatusController, StatsController],
    providers: [{ provide: Context, useValue: context }],
  });
  return createHttpServer({
    ...{ module, presentation: DISTRIBUTED, rewriteUrl, log: () => {}, limits: TIME_LIMITS },
    gate: { host: '127.0.0.1', tokens: [], rateLimit: 0 },
  });
}
