import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { homePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import type { AgentClient } from '#guest/agent.js';
import { fragile, machine, poolOf, stateOf } from '#machinery/pool.fake.js';
import { MachineNotes } from '#queue/machine-notes.js';
import { receive, send } from '#queue/mail.js';
import { startPrivateRedis, type PrivateRedis } from '#queue/private-redis.js';
import { connectRedis } from '#queue/redis.js';
import { testMachine } from '../../apps/worker/machine-test.js';

describe('tests of machines, over a real Redis', () => {
  let dir: string;
  let server: PrivateRedis;
  let redis: Redis;
  let notes: MachineNotes;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'machine-test-'));
    server = await startPrivateRedis(homePaths(dir).redis, new AbortController().signal);
    redis = connectRedis(server.connection, () => {});
    await redis.ping();
    notes = new MachineNotes(redis);
  });
  afterAll(async () => {
    redis.disconnect();
    await server[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  test('a letter has a machine tested; the result is found by who asked, and a broken machine is quarantined', async () => {
    const fake = fragile([machine('a')]);
    const pool = poolOf(fake);
    let silent = true;
    const waitReady = async (): Promise<void> => {
      if (silent) throw new SandboxError('AGENT_UNREACHABLE', 'a: no agent');
    };
    const log: string[] = [];
    const networks: string[] = [];
    const by = {
      lab: {
        ...{ pool, agent: () => ({ waitReady }) as unknown as AgentClient },
        openTrial: async ({ name }: Machine) => {
          networks.push(`open ${name} after ${fake.calls.at(-1) ?? ''}`);
          return {
            [Symbol.asyncDispose]: async () =>
              void networks.push(`cut ${name} after ${fake.calls.at(-1) ?? ''}`),
          };
        },
      },
      ...{ notes, shutdown: new AbortController().signal },
      log: (_level: string, message: string) => void log.push(message),
    };
    const done: Promise<void>[] = [];
    const told = receive(
      redis,
      'w',
      (letter) => {
        if (letter.kind === 'test') done.push(testMachine(letter, by));
      },
      () => {},
    );
    const ask = async (name: string) => {
      const answer = await notes.ask(name);
      expect(await notes.test(answer)).toMatchObject({ machine: name, result: null });
      await send(redis, 'w', { kind: 'test', machine: name, answer });
      for (;;) {
        const noted = await notes.test(answer);
        if (noted?.result != null) return noted.result;
      }
    };
    expect(await ask('a')).toMatchObject({ failed: { phase: 'agent', reason: 'a: no agent' } });
    expect(stateOf(pool, 'a')).toMatchObject({ state: 'quarantined', reason: 'a: no agent' });
    silent = false;
    const { failed, phases } = await ask('a');
    expect(failed).toBeNull();
    expect(Object.keys(phases)).toEqual(['restore', 'start', 'agent', 'stop', 'ready']);
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    const inOrder = ['open a after prepare a', 'cut a after start a'];
    expect(networks).toEqual([...inOrder, ...inOrder]);
    expect(await ask('b')).toEqual({
      phases: {},
      failed: { phase: null, reason: 'no machine here is named "b"' },
    });
    await Promise.all(done);
    expect(log).toEqual(['test failed: a: no agent', 'tested', expect.stringContaining('no machine here')]);
    await told[Symbol.asyncDispose]();
    await pool.close(by.shutdown);
  });

  test('the last error of a machine is remembered; a result nobody asked for is not kept', async () => {
    expect(await notes.lastError('a')).toBeNull();
    await notes.failed('a', 'first');
    await notes.failed('a', 'second');
    expect(await notes.lastError('a')).toMatchObject({ reason: 'second' });
    await notes.answer('nobody', { phases: {}, failed: null });
    expect(await notes.test('nobody')).toBeNull();
  });
});
