import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DIALECTS, type Dialect } from './dialect.js';
import type { NodeClient, Work } from './node.js';
import { openNode } from './open.js';
import { LIMITS, never, serve } from './server.fake.js';

const MARK = 'dist:00112233445566778899aabbccddeeff';
const WORK: Work = {
  ...{ mark: MARK, file: null, target: 'http://a.example/', timeout: 0, priority: 1, tags: [] },
  ...{ package: null, options: null, machine: null, platform: null, arch: null, custom: null, clock: null },
  ...{ memory: false, enforceTimeout: false },
};

type Call = (client: NodeClient) => Promise<unknown>;

interface Sent {
  readonly text: string | Buffer;
  readonly status?: number;
  readonly type?: string;
}

/** A node that answers everything so, but for what clients ask for first. */
async function ask<T>(
  dialect: Dialect,
  { text, status = 200, type = 'application/json' }: Sent,
  call: (client: NodeClient) => Promise<T>,
): Promise<T> {
  await using server = await serve((request, response) => {
    if (request.url === '/machines/states') response.writeHead(404).end('{"message": "Not found"}');
    // Anything that is attached is a report in CAPE.
    else response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), 'content-disposition': 'attachment' }).end(text); // prettier-ignore
  });
  const client = openNode({ ...server.address, token: 's3cret/"token"' }, dialect, LIMITS);
  try {
    return await call(client);
  } finally {
    client.close();
  }
}

describe.each(DIALECTS)('a %s node that answers', (dialect) => {
  const inside = (key: string, value: unknown) =>
    JSON.stringify(dialect === 'cape' ? { data: value } : { [key]: value });
  const machine = { name: 'm', platform: 'linux' };
  const task = { id: 1, status: 'pending', owner: MARK, options: `dist_mark=${MARK}` };
  const view = (part: object) => ({ text: inside('task', { ...task, ...part }) });
  const machines = (...all: readonly unknown[]) => ({ text: inside('machines', all) });
  const viewing = (client: NodeClient) => client.view(1, never);
  const listing = (client: NodeClient) => client.machines(never);
  const path = dialect === 'cape' ? 'data' : 'machines';

  test('a list of nonsense is told of its first element', async () => {
    const nonsense = machines(...Array<number>(400).fill(1));
    await expect(ask(dialect, nonsense, listing)).rejects.toThrow(`asked for: ${path}.0: `);
    const later = machines(machine, { ...machine, tags: ['a', 7, 8] });
    await expect(ask(dialect, later, listing)).rejects.toThrow(`asked for: ${path}.1.tags.1: `);
  });

  test('more than it was asked for is not read', async () => {
    const long = view({ more: 'x'.repeat(256 * 1024) });
    const removing = (client: NodeClient) => client.remove(1, never);
    for (const call of [viewing, removing] as Call[])
      await expect(ask(dialect, long, call)).rejects.toThrow('more than 262144 bytes');
    if (dialect !== 'cuckoo')
      await expect(ask(dialect, long, (client) => client.submit(WORK, never))).rejects.toMatchObject({
        code: 'NODE_ODD',
        unclear: true,
      });
    const tall = machines({ ...machine, more: 'x'.repeat(1024 * 1024) });
    await expect(ask(dialect, tall, listing)).rejects.toThrow('more than 1048576 bytes');
    const tasks = { text: inside('tasks', [{ ...task, more: 'x'.repeat(4 * 1024 * 1024) }]) };
    await expect(ask(dialect, tasks, (client) => client.find(MARK, never))).rejects.toMatchObject({
      code: 'NODE_ODD',
      unclear: true,
    });
  });

  test('a thousand machines has so many; with one more it is odd', async () => {
    const { machines: all } = await ask(dialect, machines(...Array<object>(1000).fill(machine)), listing);
    expect(all).toHaveLength(1000);
    const more = machines(...Array<object>(1001).fill(machine));
    await expect(ask(dialect, more, listing)).rejects.toMatchObject({
      code: 'NODE_ODD',
      message: expect.stringContaining('1001 elements, more than 1000'),
    });
  });

  test('words with control characters is read without them', async () => {
    const dirty = { name: 'a\0b', label: 'a\x1b[2Jb', platform: 'win\x07', tags: ['t\0', 'u\u202e'] };
    expect((await ask(dialect, machines(dirty), listing)).machines).toMatchObject([
      { name: 'a b', label: 'a [2Jb', platform: 'win ', tags: ['t ', 'u '] },
    ]);
    expect(await ask(dialect, view({ status: 'x\0y', errors: ['a\0b\r\nc'] }), viewing)).toMatchObject({
      status: 'x y',
      reason: 'a b c',
    });
  });

  test.each([{ name: 'x'.repeat(256) }, { label: 'x'.repeat(256) }, { platform: 'x'.repeat(33) }])(
    'a machine that no column holds is odd: %j',
    async (part) => {
      const call = ask(dialect, machines({ ...machine, ...part }), listing);
      await expect(call).rejects.toMatchObject({ code: 'NODE_ODD' });
    },
  );

  test('an id that no column holds may have taken the task', async () => {
    const text = inside('task_ids', dialect === 'cape' ? { task_ids: [2 ** 31] } : [2 ** 31]);
    const call = ask(dialect, { text: dialect === 'cuckoo' ? withVersion(text) : text }, (client) =>
      client.submit(WORK, never),
    );
    await expect(call).rejects.toMatchObject({ code: 'NODE_ODD', unclear: true });
  });

  test('JSON of too many levels is odd', async () => {
    const text = `{"data": {"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    const asking = (client: NodeClient) => client.status(never);
    for (const call of [viewing, listing, asking] as Call[])
      await expect(ask(dialect, { text }, call)).rejects.toMatchObject({
        code: 'NODE_ODD',
        message: expect.stringContaining('JSON of more than 32 levels'),
      });
  });

  test.each([401, 500, 200])('its token, with %d, is not repeated', async (status) => {
    for (const text of [
      JSON.stringify({ message: 'not s3cret/"token"', errors: ['s3cret/"token"'] }),
      'Bearer s3cret/"token" is not known',
      '<html>Authorization: s3cret/"token"</html>',
    ]) {
      const call = ask(dialect, { text, status }, viewing);
      await expect(call).rejects.toThrow('[token]');
      await expect(call).rejects.not.toThrow('s3cret');
    }
    const { reason } = (await ask(dialect, view({ errors: ['no s3cret/"token"'] }), viewing)) ?? {};
    expect(reason).toBe('no [token]');
  });

  test('a page instead of a report has none, whatever the format', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hostile-'));
    const page = { text: '<!DOCTYPE html><html><title>Log in</title></html>', type: 'text/html' };
    const plain = { text: 'Log in first', type: 'text/html' };
    const fetching = (format: string) => (client: NodeClient) =>
      client.fetch(1, format, join(dir, 'report'), never);
    try {
      for (const format of ['json', 'pdf', 'maec', 'metadata', 'all', 'dropped', 'dist', 'pcap', 'other'])
        for (const sent of [page, plain])
          await expect(ask(dialect, sent, fetching(format))).rejects.toMatchObject({
            code: 'REPORT_INVALID',
          });
      await expect(ask(dialect, plain, fetching('html'))).rejects.toMatchObject({ code: 'REPORT_INVALID' });
      await expect(ask(dialect, { text: '[{}]' }, fetching('json'))).rejects.toThrow('not JSON');
      expect(await readdir(dir)).toEqual([]);
      expect((await ask(dialect, page, fetching('html'))).size).toBe(page.text.length);
      const pdf = { text: '%PDF-1.7\n', type: 'text/html' };
      expect((await ask(dialect, pdf, fetching('pdf'))).size).toBe(9);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

/** Also a status: Cuckoo is asked for its version before it is given a task. */
function withVersion(text: string): string {
  return JSON.stringify({ ...(JSON.parse(text) as object), version: '2.0.7' });
}
