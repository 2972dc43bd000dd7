import { expect, test } from '@jest/globals';
import { openNode } from '#nodes/open.js';
import type { Finding } from '../../apps/finding.js';
import { check, LIMITS, scripted } from '../support/node-check.js';

test('a submission that is refused, and one whose answer is lost, which is removed all the same', async () => {
  await using broken = await scripted({ knobs: { status500: ['submit'] } });
  const refused = await check({ url: broken.url });
  expect([refused.of('submission')?.status, refused.of('reports')?.status]).toEqual(['fail', 'skipped']);
  await using cut = await scripted({ knobs: { cutUpload: 'after' }, runMs: 3_600_000 });
  const lost = await check({ url: cut.url });
  expect(lost.of('submission')?.status).toBe('fail');
  expect(lost.of('removal')).toMatchObject({ status: 'ok' });
  expect(cut.tasks).toEqual([]);
});

test('an analysis that fails is told with the reason of the node, and removed', async () => {
  await using node = await scripted({ knobs: { failTask: () => 'failed_analysis' } });
  const { healthy, of } = await check({ url: node.url });
  expect(of('analysis')).toMatchObject({
    status: 'fail',
    found: expect.stringMatching(/ended as "failed_analysis" .* told to end as failed_analysis/),
  });
  expect([healthy, of('reports')?.status, node.tasks.length]).toEqual([false, 'skipped', 0]);
});

test('what runs too long is told to run, and is removed', async () => {
  await using node = await scripted({ runMs: 3_600_000 });
  const { of } = await check({ url: node.url, timeoutS: 1 });
  expect(of('analysis')).toMatchObject({
    status: 'fail',
    found: 'it still runs after 1 second',
    fix: expect.stringContaining('--timeout 4'),
  });
  expect([of('removal')?.status, node.tasks.length]).toEqual(['ok', 0]);
});

test('a busy node is said to be busy: that is no fault', async () => {
  await using node = await scripted({ machines: [{}], runMs: 3_600_000 });
  const client = openNode({ name: 'other', url: node.url, token: null }, 'malkoha', LIMITS);
  await client.submit(
    {
      ...{
        mark: 'dist:other',
        file: null,
        target: 'http://a.example/',
        package: null,
        timeout: 0,
        priority: 3,
      },
      ...{ options: null, machine: null, platform: null, arch: null, tags: [], custom: null, memory: false },
      ...{ enforceTimeout: false, clock: null },
    },
    new AbortController().signal,
  );
  client.close();
  const { healthy, of } = await check({ url: node.url, timeoutS: 1 });
  expect(of('analysis')).toMatchObject({
    status: 'warn',
    found: 'it still waits after 1 second: of 1 machine none is free; 1 task waiting there',
  });
  expect([healthy, node.tasks.length]).toEqual([true, 1]);
});

test('a report that is missing, empty, cut off or no JSON: what to switch on, and the task is removed', async () => {
  await using node = await scripted({ dialect: 'cuckoo', knobs: { reportMissing: { json: 99 } } });
  const missing = await check({ url: node.url, dialect: 'cuckoo' });
  expect(missing.of('report json')).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('[jsondump]'),
  });
  node.knobs.reportMissing = { pcap: 99 };
  const capture = await check({ url: node.url, dialect: 'cuckoo', pcap: true });
  expect(capture.of('capture')).toMatchObject({ status: 'warn', fix: expect.stringContaining('[sniffer]') });
  for (const broken of ['short', 'truncated', 'text', 'empty'] as const) {
    node.knobs.reportBroken = { json: broken };
    const { healthy, of } = await check({ url: node.url, dialect: 'cuckoo' });
    expect([broken, healthy, of('report json')?.status]).toEqual([broken, false, 'fail']);
  }
  expect(node.tasks).toEqual([]);
});

test('whoever goes away while it runs leaves nothing on the node', async () => {
  await using node = await scripted({ runMs: 3_600_000 });
  const gone = new AbortController();
  const onFinding = ({ check: name }: Finding) => name === 'submission' && gone.abort(new Error('gone'));
  await expect(check({ url: node.url, signal: gone.signal, onFinding })).rejects.toThrow('gone');
  expect([node.tasks, node.runs.length]).toEqual([[], 1]);
});

test('a node that does not let go of it is named, with what to call', async () => {
  await using node = await scripted({ knobs: { deleteFails: true } });
  const { of } = await check({ url: node.url });
  expect(of('removal')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('task 1 is still on the node'),
    fix: `delete it there: GET ${node.url}tasks/delete/1`,
  });
});
