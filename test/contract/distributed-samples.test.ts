import { rename } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { makePlace, startController } from '../support/distributed-controller.js';
import { given } from '../support/dist-task.js';
import { startScriptedNode } from '../support/scripted-node/start.js';
import { until } from '../support/until.js';

test('a file that was being removed when its controller was killed is found for the task that needs it', async () => {
  await using place = await makePlace();
  await using node = await startScriptedNode({ dialect: 'malkoha' });
  await using lab = await startController(place);
  const { samples, tasks } = lab.context;
  const id = await lab.submit({}, 'echo 1');
  const { sha256 } = given(await tasks.find(id));
  const sample = samples.path(sha256 ?? '');
  await rename(sample, sample.replace(/[^/]+$/, '.taken-$&.x'));
  await lab.addNode('one', node);
  expect(await lab.reaches(id, 'finished', 'failed')).toMatchObject({ state: 'finished', reason: null });
});

test('a folder of samples that is away ends no task: it is waited for', async () => {
  await using place = await makePlace();
  await using node = await startScriptedNode({ dialect: 'malkoha' });
  await using lab = await startController(place);
  const { settings, tasks } = lab.context;
  const folder = settings.samplesDirectory;
  const id = await lab.submit({}, 'echo 1');
  await rename(folder, `${folder}-away`);
  await lab.addNode('one', node);
  await until(async () => given(await tasks.find(id)).reason !== null);
  const reason = expect.stringMatching(/^its file cannot be read: .*ENOENT/);
  expect(await tasks.find(id)).toMatchObject({ state: 'assigned', reason });
  await rename(`${folder}-away`, folder);
  expect(await lab.reaches(id, 'finished', 'failed')).toMatchObject({ state: 'finished', reason: null });
  expect(node.runs).toHaveLength(1);
});
