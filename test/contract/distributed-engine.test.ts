import { readdir } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { onEachDatabase } from '../support/databases.js';
import { makePlace, startController } from '../support/distributed-controller.js';
import { startScriptedNode } from '../support/scripted-node/start.js';
import { until } from '../support/until.js';

onEachDatabase((fresh) => {
  for (const dialect of ['malkoha', 'cuckoo', 'cape'] as const) {
    test(`files and URLs go to a ${dialect} node, their reports come here, and the node keeps nothing`, async () => {
      await using place = await makePlace(await fresh());
      await using node = await startScriptedNode({ dialect });
      await using lab = await startController(place, { reportFormats: ['json', 'html'], pcap: true });
      await lab.addNode('one', node);
      const ids = [
        await lab.submit({ url: 'http://example.test/', custom: 'case 7' }),
        await lab.submit({ options: 'free=yes', priority: '2' }, '#!/bin/sh\n'),
        await lab.submit({ url: 'http://example.test/again' }),
      ];
      for (const id of ids) {
        const { reason, remoteId, startedOn } = await lab.reaches(id, 'finished', 'failed');
        expect({ reason, remoteId, startedOn }).toEqual({
          reason: null,
          remoteId: expect.any(Number),
          startedOn: expect.any(Date),
        });
        const report = JSON.parse(await lab.report(id)) as { info: { id: number } };
        expect(report.info.id).toBe(remoteId);
        expect((await lab.context.tasks.reports(id)).map(({ format }) => format).sort()).toEqual([
          'html',
          'json',
          'pcap',
        ]);
      }
      await until(() => node.tasks.length === 0);
      expect([...node.started.values()]).toEqual([1, 1, 1]);
      await until(async () => (await readdir(lab.context.settings.samplesDirectory)).length === 0);
    });
  }

  test('what no node can run waits, and goes to the first that can', async () => {
    await using place = await makePlace(await fresh());
    await using linux = await startScriptedNode({ dialect: 'malkoha' });
    await using windows = await startScriptedNode({
      dialect: 'cuckoo',
      machines: [{ name: 'win1', platform: 'windows', tags: ['office'] }],
    });
    await using lab = await startController(place);
    await lab.addNode('linux', linux);
    const wanting = await lab.submit({ url: 'http://example.test/', platform: 'windows', tags: 'office' });
    const any = await lab.submit({ url: 'http://example.test/' });
    await lab.reaches(any, 'finished');
    expect((await lab.context.tasks.find(wanting))?.state).toBe('pending');
    await lab.addNode('windows', windows);
    await lab.reaches(wanting, 'finished');
    expect(windows.runs).toHaveLength(1);
  });

  test('several controllers share the work: each task is handed over and brought home once', async () => {
    await using place = await makePlace(await fresh());
    await using one = await startScriptedNode({ dialect: 'malkoha', machines: [{}, {}, {}, {}] });
    await using two = await startScriptedNode({ dialect: 'cuckoo', machines: [{}, {}, {}, {}] });
    await using first = await startController(place);
    await using second = await startController(place);
    await first.addNode('one', one);
    await second.addNode('two', two);
    const ids = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        (n % 2 ? first : second).submit({ url: `http://example.test/${n}` }),
      ),
    );
    for (const id of ids) await second.reaches(id, 'finished');
    expect([...one.started.values(), ...two.started.values()]).toEqual(ids.map(() => 1));
    await until(() => one.tasks.length + two.tasks.length === 0);
  });
});

test('a node of another mode runs tasks that name it, and no others', async () => {
  await using place = await makePlace();
  await using node = await startScriptedNode({ dialect: 'malkoha' });
  await using lab = await startController(place);
  await lab.addNode('night', node, { mode: 'night' });
  const any = await lab.submit({ url: 'http://example.test/any' });
  const named = await lab.submit({ url: 'http://example.test/named', node: 'night' });
  await lab.reaches(named, 'finished');
  expect((await lab.context.tasks.find(any))?.state).toBe('pending');
  expect(node.runs).toHaveLength(1);
});

test('what waits on a slow node is taken back for machines that idle elsewhere', async () => {
  await using place = await makePlace();
  await using slow = await startScriptedNode({ dialect: 'cuckoo', machines: [{}], runMs: 60_000 });
  await using lab = await startController(place);
  await lab.addNode('slow', slow);
  const ids = [
    await lab.submit({ url: 'http://example.test/1' }),
    await lab.submit({ url: 'http://example.test/2' }),
  ];
  await until(() => slow.tasks.length === 2);
  await using idle = await startScriptedNode({ dialect: 'cuckoo' });
  await lab.addNode('idle', idle);
  await Promise.race(ids.map((id) => lab.reaches(id, 'finished')));
  expect(slow.tasks).toHaveLength(1);
  expect(idle.runs).toHaveLength(1);
  expect(slow.runs).toHaveLength(1);
});

test('a Redis that lost everything costs a moment', async () => {
  await using place = await makePlace();
  await using node = await startScriptedNode({ dialect: 'cuckoo', machines: [{}], runMs: 1500 });
  await using lab = await startController(place);
  await lab.addNode('one', node);
  const ids = await Promise.all([1, 2, 3, 4].map((n) => lab.submit({ url: `http://example.test/${n}` })));
  await until(() => node.runs.length > 0);
  await lab.context.redis.flushall();
  for (const id of ids) await lab.reaches(id, 'finished');
  expect([...node.started.values()]).toEqual([1, 1, 1, 1]);
}, 120_000);
