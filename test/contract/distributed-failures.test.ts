import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  makePlace,
  startController,
  type Controller,
  type Place,
  type Settings,
} from '../support/distributed-controller.js';
import type { ScriptedOptions } from '../support/scripted-node/options.js';
import { startScriptedNode, type ScriptedNode } from '../support/scripted-node/start.js';
import { Cleanup } from '../../apps/cleanup.js';
import { until } from '../support/until.js';

/** The ways in which the Distributed Cuckoo lost tasks, one after the other, and what this one makes of each. */

let cleanup: Cleanup;
let place: Place;
let lab: Controller;

beforeEach(async () => {
  cleanup = new Cleanup((error) => {
    throw error;
  });
  place = cleanup.use(await makePlace());
});
afterEach(() => cleanup[Symbol.asyncDispose]());

async function controller(settings: Settings = {}): Promise<Controller> {
  lab = cleanup.use(await startController(place, settings));
  return lab;
}

async function aNode(name: string, options: Partial<ScriptedOptions> = {}): Promise<ScriptedNode> {
  const node = cleanup.use(await startScriptedNode({ dialect: 'cuckoo', ...options }));
  await lab.addNode(name, node);
  return node;
}

const aUrl = (more: Readonly<Record<string, string>> = {}) =>
  lab.submit({ url: 'http://example.test/', ...more });

test('1: every wanted format is here before the copy of the node goes', async () => {
  await controller({ reportFormats: ['json', 'html', 'maec'] });
  const node = await aNode('one', { knobs: { deleteFails: true } });
  const id = await aUrl();
  await lab.reaches(id, 'finished');
  for (const format of ['json', 'html', 'maec']) expect(await lab.report(id, format)).not.toBe('');
  node.knobs.deleteFails = false;
  await until(() => node.tasks.length === 0);
});

test('2: a report that cannot be had fails its task, and stays on its node', async () => {
  await controller({ reportFormats: ['json', 'html'] });
  const wrongs = {
    'without-html': { reportMissing: { html: Infinity } },
    truncated: { reportBroken: { json: 'truncated' } },
    text: { reportBroken: { json: 'text' } },
    empty: { reportBroken: { json: 'empty' } },
  } as const;
  const failed = Object.entries(wrongs).map(async ([name, knobs]) => {
    const node = await aNode(name, { knobs });
    const id = await aUrl({ node: name });
    const { reason } = await lab.reaches(id, 'failed');
    const format = name === 'without-html' ? 'html' : 'json';
    expect(reason).toMatch(
      new RegExp(`^node ${name} has no good ${format} report of it \\(task 1 there\\): `),
    );
    expect(node.tasks).toHaveLength(1);
    await expect(lab.report(id, format)).rejects.toThrow('ENOENT');
  });
  await Promise.all(failed);
});

test('2: a report that comes late, or broken at first, is fetched again', async () => {
  await controller({ reportFormats: ['json', 'html'] });
  const node = await aNode('one', { knobs: { reportMissing: { html: 1 }, reportBroken: { json: 'short' } } });
  const id = await aUrl();
  await until(() => (node.asked.get('report') ?? 0) > 0);
  node.knobs.reportBroken = {};
  await lab.reaches(id, 'finished');
  expect(node.runs).toHaveLength(1);
});

test('3: a task that is only completed has no report yet, and is waited for', async () => {
  await controller();
  const node = await aNode('one', { reportMs: 3000 });
  const id = await aUrl();
  await until(() => node.tasks[0]?.status === 'completed');
  await lab.reaches(id, 'finished');
  expect(node.asked.get('report')).toBe(1);
});

test('4: a controller that ends in the middle leaves nothing behind that the next one does not go on with', async () => {
  const first = await startController(place);
  lab = first;
  const node = await aNode('one', { knobs: { latency: { report: 300 } }, machines: [{}, {}, {}] });
  const ids = await Promise.all([1, 2, 3, 4, 5].map((n) => aUrl({ custom: String(n) })));
  await until(() => (node.asked.get('report') ?? 0) > 0);
  await first[Symbol.asyncDispose]();
  node.knobs.latency = {};
  await controller();
  for (const id of ids) await lab.reaches(id, 'finished');
  expect([...node.started.values()]).toEqual([1, 1, 1, 1, 1]);
  await until(() => node.tasks.length === 0);
});

test.each(['failed_analysis', 'failed_processing', 'failed_reporting'] as const)(
  '5: a task that ends %s on its node ends here, with the reason',
  async (status) => {
    await controller();
    const node = await aNode('one', { knobs: { failTask: () => status } });
    const { reason } = await lab.reaches(await aUrl(), 'failed');
    expect(reason).toMatch(new RegExp(`^${status} on node one \\(task 1 there\\): \\S`));
    expect(node.tasks).toHaveLength(1);
  },
);

test('5: failed tasks leave their node too when that is wanted', async () => {
  await controller({ failedClean: true });
  const node = await aNode('one', { knobs: { failTask: () => 'failed_analysis' } });
  await lab.reaches(await aUrl(), 'failed');
  await until(() => node.tasks.length === 0);
});

test('5: what a node that was set up anew had goes to another run, and strangers by its ids are left alone', async () => {
  await controller();
  const node = await aNode('one', { runMs: 60_000 });
  const ids = [await aUrl(), await aUrl()];
  for (const id of ids) await lab.reaches(id, 'processing');
  const marks = new Set(node.started.keys());
  node.wipe();
  node.foreignTasks(2);
  for (const id of ids) {
    await until(async () => !marks.has((await lab.context.tasks.find(id))?.mark ?? ''));
    expect((await lab.context.tasks.find(id))?.reason).toContain('node one has it no more');
  }
  await until(() => node.tasks.filter(({ mark }) => mark !== null).length === 2);
  expect(node.tasks.filter(({ mark }) => mark === null)).toHaveLength(2);
});

test('5: a task that every node loses fails after the attempts it has', async () => {
  await controller({ attempts: 2 });
  const node = await aNode('one', { runMs: 60_000 });
  const id = await aUrl();
  for (let runs = 1; runs <= 2; runs += 1) {
    await until(() => node.runs.length === runs);
    await lab.reaches(id, 'processing');
    node.wipe();
  }
  expect((await lab.reaches(id, 'failed')).reason).toMatch(/has it no more.*It was tried 2 times/);
});

test('5: what waits for a node that is disabled goes to another one; what it runs is brought home', async () => {
  await controller();
  const slow = await aNode('slow', { machines: [{}], runMs: 2500 });
  const ids = [await aUrl(), await aUrl(), await aUrl()];
  await until(() => slow.runs.length === 1);
  await fetch(`${lab.url}/node/slow`, { method: 'DELETE' });
  const quick = await aNode('quick');
  for (const id of ids) await lab.reaches(id, 'finished');
  expect(slow.runs.length + quick.runs.length).toBe(3);
  expect(quick.runs.length).toBeGreaterThan(0);
});

test('5: what a dead node had goes to another one, and its copy is deleted when the node is back', async () => {
  await controller({ lostAfter: 2 });
  const dead = await aNode('dead', { runMs: 60_000 });
  const id = await aUrl();
  await lab.reaches(id, 'processing');
  await dead.crash();
  const alive = await aNode('alive');
  await lab.reaches(id, 'finished');
  expect(alive.runs).toHaveLength(1);
  await dead.start();
  await until(() => dead.tasks.every(({ status }) => status !== 'pending'));
  for (const { id: remote } of dead.tasks) dead.setStatus(remote, 'reported');
  await until(() => dead.tasks.length === 0);
}, 120_000);

test('6: a sample that is gone fails its task, and fetches nobody else’s report', async () => {
  await controller();
  const id = await lab.submit({}, 'echo');
  const { sha256 } = await lab.reaches(id, 'pending');
  await lab.context.samples.remove(sha256 ?? '').catch(() => {});
  const { rm } = await import('node:fs/promises');
  await rm(lab.context.samples.path(sha256 ?? ''), { force: true });
  const node = await aNode('one');
  node.foreignTasks(3);
  expect((await lab.reaches(id, 'failed')).reason).toContain('its file is gone');
  expect(node.asked.get('report') ?? 0).toBe(0);
});

test.each(['malkoha', 'cuckoo', 'cape'] as const)(
  '7: a %s node that takes a submission and never says so is asked, not given it twice',
  async (dialect) => {
    await controller();
    const node = await aNode('one', { dialect, knobs: { cutUpload: 'after', cutUploads: 1 } });
    const ids = [await aUrl(), await lab.submit({}, 'echo')];
    for (const id of ids) await lab.reaches(id, 'finished');
    expect([...node.started.values()]).toEqual([1, 1]);
  },
);

test('7: one that cuts before it took it gets it again', async () => {
  await controller();
  const node = await aNode('one', { knobs: { cutUpload: 'before', cutUploads: 1 } });
  await lab.reaches(await aUrl(), 'finished');
  expect([...node.started.values()]).toEqual([1]);
});

test.each(['crash', 'denied', 'busy'] as const)(
  '7: while the node cannot be asked whether it took one (%s), nobody else is given it',
  async (trouble) => {
    await controller();
    const node = await aNode('one', { knobs: { cutUpload: 'after', cutUploads: 1, hang: ['list'] } });
    const id = await aUrl();
    await until(() => node.runs.length === 1);
    if (trouble === 'crash') await node.crash();
    if (trouble === 'denied') node.knobs.token = 'changed';
    if (trouble === 'busy') node.knobs.tooMany = ['list'];
    Object.assign(node.knobs, { hang: [], retryAfter: 1 });
    const other = await aNode('other');
    await lab.submit({ url: 'http://example.test/other' }).then((one) => lab.reaches(one, 'finished'));
    expect((await lab.reaches(id, 'sending')).nodeId).toBe(1);
    await node.start();
    Object.assign(node.knobs, { token: null, tooMany: [] });
    await lab.reaches(id, 'finished');
    expect(node.runs.length + other.runs.length).toBe(2);
  },
);

test.each([
  ['report', { status500: ['report'] }],
  ['view', { status500: ['view'] }],
  ['submission', { html: ['submit'] }],
] as const)(
  '10: a node whose %s is broken, and nothing else, loses its tasks to others',
  async (_, knobs) => {
    await controller({ lostAfter: 3 });
    await aNode('broken', { knobs });
    const id = await aUrl();
    await until(async () => (await lab.context.tasks.find(id))?.reason?.includes('node broken') === true);
    await until(async () => (await lab.context.nodes.find('broken'))?.lastError !== null);
    await aNode('well');
    await lab.reaches(id, 'finished');
  },
  120_000,
);

test('8: tasks of others on the node, however many, hide none of ours, and none of them is touched', async () => {
  await controller();
  const node = await aNode('one');
  node.foreignTasks(2000);
  await lab.reaches(await aUrl(), 'finished');
  await until(() => node.tasks.length === 2000);
});

test('9: a task without a start is brought home all the same', async () => {
  await controller();
  await aNode('one', { knobs: { startedOnNull: true } });
  expect((await lab.reaches(await aUrl(), 'finished')).startedOn).toBeNull();
});

test('10: a node that hangs delays nobody, and what it was not given goes to others', async () => {
  await controller();
  const hung = await aNode('hung');
  hung.knobs.hang = ['status', 'submit', 'view', 'list', 'report', 'machines'];
  const ids = await Promise.all(Array.from({ length: 12 }, () => aUrl()));
  await aNode('well');
  await until(async () => (await lab.context.tasks.counts()).finished >= 8);
  hung.knobs.hang = [];
  for (const id of ids) await lab.reaches(id, 'finished');
}, 120_000);

test('11: deleting reaches the node, whatever the task does there, and leaves no file', async () => {
  await controller({ pcap: true });
  const node = await aNode('one', { dialect: 'malkoha', machines: [{}], runMs: 60_000 });
  const ids = [await lab.submit({}, 'echo 1'), await lab.submit({}, 'echo 2')];
  for (const id of ids) await lab.reaches(id, 'processing');
  for (const id of ids)
    expect((await fetch(`${lab.url}/api/task/${id}`, { method: 'DELETE' })).status).toBe(200);
  await until(() => node.tasks.length === 0);
  expect(await readdir(lab.context.settings.samplesDirectory)).toEqual([]);
  expect(await lab.context.tasks.counts()).toMatchObject({ deleted: 2, pending: 0, processing: 0 });
});

test('11: cancelling ends a task on its node, and keeps it here as failed', async () => {
  await controller();
  const node = await aNode('one', { dialect: 'malkoha', machines: [{}], runMs: 60_000 });
  const ids = [await lab.submit({}, 'echo 1'), await aUrl(), await aUrl()];
  await lab.reaches(ids[0] ?? 0, 'processing');
  for (const id of ids) {
    const cancel = () => fetch(`${lab.url}/api/task/${id}/cancel`, { method: 'POST' });
    expect((await cancel()).status).toBe(200);
    expect((await lab.reaches(id, 'failed')).reason).toBe('it was cancelled');
    expect((await cancel()).status).toBe(409);
  }
  await until(() => node.tasks.length === 0);
  expect(await readdir(lab.context.settings.samplesDirectory)).toEqual([]);
});

test('11: finished tasks are deleted when their time is over', async () => {
  const settings: Settings = { retention: { reportsDays: 1, statusesDays: 60 } };
  await controller(settings);
  await aNode('one');
  const id = await aUrl();
  await lab.reaches(id, 'finished');
  await lab.context.db.query(`UPDATE dist_tasks SET completed_on = '2020-01-01 00:00:00.000'`);
  await controller(settings); // looks when it starts, and then every hour
  await lab.reaches(id, 'deleted');
  const { reportsDirectory } = lab.context.settings;
  await until(async () => !(await readdir(reportsDirectory)).includes(String(id)));
});

test('12: a node is given no more than it has machines for', async () => {
  await controller({ backlog: 2 });
  const small = await aNode('small', { machines: [{}], runMs: 60_000 });
  const ids = await Promise.all(Array.from({ length: 10 }, () => aUrl()));
  await until(() => small.tasks.length === 2);
  const large = await aNode('large', { machines: [{}, {}, {}, {}] });
  await Promise.all(
    ids.map((id) => Promise.race([lab.reaches(id, 'finished'), lab.reaches(id, 'processing')])),
  );
  await until(() => large.runs.length === 8);
  expect(small.tasks).toHaveLength(2);
});

test('13: a clock reaches the node as it wants it', async () => {
  await controller();
  const node = await aNode('one', { runMs: 500 });
  const id = await aUrl({ clock: '12-24-2026 18:00:00' });
  await lab.reaches(id, 'processing');
  expect(node.tasks[0]?.fields['clock']).toBe('12-24-2026 18:00:00');
});

test('what one node refuses another one may take', async () => {
  await controller();
  await aNode('refusing', { machines: [{}, {}, {}, {}], knobs: { refuse: ['submit'] } });
  const other = await aNode('other', { machines: [{}] });
  const ids = await Promise.all([1, 2, 3].map(() => aUrl()));
  for (const id of ids) await lab.reaches(id, 'finished');
  expect(other.runs).toHaveLength(3);
});

test('a node that refuses a task says why; so does the task in the end', async () => {
  await controller();
  await aNode('one', { token: 'secret' }).catch((error: unknown) => expect(String(error)).toContain('404'));
  const node = await startScriptedNode({ dialect: 'cuckoo', token: 'secret' });
  cleanup.use(node);
  await lab.addNode('guarded', node, { token: 'secret' });
  await lab.reaches(await aUrl(), 'finished');
});
