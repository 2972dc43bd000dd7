import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Lanes } from '#queue/lane-queue.js';
import type { Lane } from '#domain/lanes.js';
import { Bells, receive, send, type Letter } from '#queue/mail.js';
import { Cleanup } from '../../apps/cleanup.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { queued } from '../support/task.js';
import { until } from '../support/until.js';

const quiet = (): void => {};

describe('bells and letters', () => {
  let server: TestRedis;
  let lanes: Lanes;
  let cleanup: Cleanup;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await server.redis.flushall();
    cleanup = new Cleanup();
    lanes = new Lanes(server.redis, { ageing: 0, weights: new Map() });
  });
  afterEach(async () => {
    await cleanup[Symbol.asyncDispose]();
  });

  const waiters = (count: number): Bells[] =>
    Array.from({ length: count }, (_, n) => cleanup.use(new Bells(server.redis, `host/${n}`, quiet)));

  /** Until so many connections are blocked: then they hear what rings from now on. */
  const blocked = async (count: number): Promise<void> =>
    until(async () => (await server.redis.info('clients')).includes(`blocked_clients:${count}\r`));

  /** Waits that begin now, and end with the test; what each heard, in the order they ended. */
  async function wait(bells: readonly Bells[], on: readonly Lane[]): Promise<(Lane | null)[]> {
    const heard: (Lane | null)[] = [];
    for (const bell of bells) void bell.wait(on).then((lane) => heard.push(lane), quiet);
    await blocked(bells.length);
    return heard;
  }

  test('each new task wakes one host that waits, and only one', async () => {
    const heard = await wait(waiters(4), ['any', 'tags=a']);
    await lanes.add(queued({ id: 1 }));
    await until(() => heard.length > 0);
    await lanes.add(queued({ id: 2, tags: ['a'] }));
    await until(() => heard.length > 1);
    await blocked(2);
    expect(heard).toEqual(['any', 'tags=a']);
    await Promise.all([3, 4].map((id) => lanes.add(queued({ id }))));
    await until(() => heard.length === 4);
    expect(heard.slice(2)).toEqual(['any', 'any']);
  });

  test('a bell that nobody waited for is heard by the next who does', async () => {
    await lanes.add(queued({ id: 1 }));
    const [bells] = waiters(1);
    expect(await bells?.wait(['tags=b', 'any'])).toBe('any');
  });

  test('a bell is not heard by hosts that do not serve its lane', async () => {
    const [windows, linux] = waiters(2);
    const heard: string[] = [];
    void windows?.wait(['platform=windows']).then(() => heard.push('windows'), quiet);
    void linux?.wait(['platform=linux']).then(() => heard.push('linux'), quiet);
    await blocked(2);
    await lanes.add(queued({ id: 1, platform: 'linux' }));
    await until(() => heard.length > 0);
    await blocked(1);
    expect(heard).toEqual(['linux']);
  });

  test('a bell that is passed on wakes another host, and rings once though it is passed on twice', async () => {
    const [first, second] = waiters(2);
    await first?.passOn('any');
    await first?.passOn('any');
    expect(await second?.wait(['any'])).toBe('any');
    const heard = second === undefined ? [] : await wait([second], ['any']);
    expect(heard).toEqual([]);
  });

  test('what changes in a host ends its wait, also when it changed before the wait began', async () => {
    const [bells] = waiters(1);
    if (bells === undefined) return;
    const heard = await wait([bells], ['any']);
    bells.wake();
    await until(() => heard.length === 1);
    bells.wake();
    expect(await bells.wait(['any'])).toBeNull();
    expect(heard).toEqual([null]);
    const again = await wait([bells], ['any']);
    expect(again).toEqual([]); // told once, it waits again
  });

  test('a wait ends when what is delayed is due', async () => {
    await lanes.add(queued({ id: 1 }), { delayMs: 100 });
    const [bells] = waiters(1);
    expect(await bells?.wait(['any'])).toBe('any'); // the delay itself rings
    expect(await lanes.take(() => true)).toBeNull();
    expect(lanes.dueInMs).toBeGreaterThanOrEqual(0);
    await bells?.wait(['any'], lanes.dueInMs);
    await until(async () => (await lanes.take(() => true))?.id === 1);
  });

  test('a lane that is new to the lab reaches hosts that wait for others', async () => {
    const letters: Letter[] = [];
    cleanup.use(receive(server.redis, 'host/1/1/a', (letter) => letters.push(letter), quiet));
    cleanup.use(receive(server.redis, 'host/2/2/b', (letter) => letters.push(letter), quiet));
    await until(async () => (await server.redis.scard('malkoha:workers')) === 2);
    await lanes.add(queued({ id: 1, tags: ['new'] }));
    await until(() => letters.length === 2);
    await lanes.add(queued({ id: 2, tags: ['new'] })); // it is not new any more
    await send(server.redis, 'host/1/1/a', { kind: 'tasks' });
    await until(() => letters.length === 3);
    expect(letters).toEqual([{ kind: 'lanes' }, { kind: 'lanes' }, { kind: 'tasks' }]);
  });

  test('letters come in order, each once, and to whom they are for', async () => {
    const letters: Letter[] = [];
    const sent = ['tasks', 'machines', 'lanes', 'tasks'] as const;
    for (const kind of sent) await send(server.redis, 'host/1/1/a', { kind });
    await send(server.redis, 'host/9/9/z', { kind: 'machines' });
    cleanup.use(receive(server.redis, 'host/1/1/a', (letter) => letters.push(letter), quiet));
    await until(() => letters.length === sent.length);
    expect(letters).toEqual(sent.map((kind) => ({ kind })));
    expect(await server.redis.llen('malkoha:mail:host/9/9/z')).toBe(1);
    expect(await server.redis.ttl('malkoha:mail:host/9/9/z')).toBeGreaterThan(0); // nobody comes for it: it goes
  });

  test('a worker that ends gets no more letters to all', async () => {
    const mail = receive(server.redis, 'host/1/1/a', quiet, quiet);
    await until(async () => (await server.redis.scard('malkoha:workers')) === 1);
    await mail[Symbol.asyncDispose]();
    expect(await server.redis.smembers('malkoha:workers')).toEqual([]);
    await lanes.add(queued({ id: 1 }));
    expect(await server.redis.keys('malkoha:mail:*')).toEqual([]);
  });
});
