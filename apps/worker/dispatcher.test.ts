import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Taken } from '#queue/lane-queue.js';
import type { Lane } from '#domain/lanes.js';
import { Dispatcher, type Dispatching } from './dispatcher.js';
import { aMachine } from '../../test/support/machine.js';
import { until } from '../../test/support/until.js';

/** What the dispatcher is given, one answer after the other; then it waits for ever. */
interface Script {
  readonly takes: (Taken | null)[];
  readonly rings: (Lane | null)[];
  /** When a bell rings, the second machine is not free any more. */
  loses: boolean;
}

const LINUX = 'platform=linux';
const WINDOWS = 'platform=windows';
const taken = (lane: Lane): Taken => ({ id: 1, lane, avoid: [], waitedMs: 0, info: '' });

let script: Script;
let did: string[];
let shutdown: AbortController;
let dispatcher: Dispatcher;
let endWait: () => void;

beforeEach(() => {
  script = { takes: [], rings: [], loses: false };
  did = [];
  shutdown = new AbortController();
  const linux = aMachine('a');
  let free = [linux, aMachine('b', { platform: 'windows' })];
  const bells = {
    wait: async (lanes: readonly Lane[]) => {
      did.push(`wait ${lanes.join(' ')}`);
      const lane = script.rings.shift();
      if (script.loses) free = [linux];
      if (lane === undefined) await new Promise<void>((resolve) => (endWait = resolve));
      return lane ?? null;
    },
    wake: () => {},
    passOn: async (lane: Lane) => void did.push(`pass on ${lane}`),
    [Symbol.asyncDispose]: async () => endWait(),
  };
  const lanes = {
    known: [LINUX, WINDOWS],
    dueInMs: null,
    take: async (serves: (lane: Lane) => boolean) => {
      const next = script.takes.shift() ?? null;
      did.push(`take ${lanes.known.filter((lane) => serves(lane)).join(' ')}`);
      return next;
    },
    putBack: async ({ lane }: Taken) => void did.push(`put back ${lane}`),
  };
  // Only what it asks of them.
  const fakes = {
    analyst: { log: () => {} },
    machines: { free: () => free, tryAcquire: () => null },
    queues: { redis: { status: 'ready' }, lanes },
    bells,
    admission: { blocks: async () => null },
    shutdown: shutdown.signal,
  } as unknown as Dispatching;
  dispatcher = new Dispatcher(fakes);
});
afterEach(async () => {
  shutdown.abort();
  await dispatcher[Symbol.asyncDispose]();
});

/** What it did until it waits for good. */
async function run(): Promise<readonly string[]> {
  dispatcher.begin();
  await until(
    () => script.rings.length === 0 && script.takes.length === 0 && did.at(-1)?.startsWith('wait') === true,
  );
  return did;
}

test('a bell that is answered by the task it rang for is not passed on', async () => {
  script.takes.push(null, taken(LINUX), null);
  script.rings.push(LINUX);
  expect(await run()).not.toContain(`pass on ${LINUX}`);
});

test('a bell that rang for nothing is not passed on either: hosts would wake each other for ever', async () => {
  script.takes.push(null, null);
  script.rings.push(LINUX);
  expect(await run()).not.toContain(`pass on ${LINUX}`);
});

test('a host that was woken for one task and takes another passes the bell on: nobody else heard it', async () => {
  script.takes.push(null, taken(WINDOWS), null);
  script.rings.push(LINUX);
  const all = await run();
  expect(all.filter((what) => what.startsWith('pass on'))).toEqual([`pass on ${LINUX}`]);
});

test('a host that cannot serve the lane any more passes the bell on', async () => {
  script.takes.push(null, null);
  script.rings.push(WINDOWS);
  script.loses = true;
  const all = await run();
  expect(all.filter((what) => what.startsWith('pass on'))).toEqual([`pass on ${WINDOWS}`]);
  expect(all.at(-1)).toBe(`wait ${LINUX}`);
});

test('a task whose machine went away meanwhile is put back', async () => {
  script.takes.push(taken(LINUX), null);
  expect((await run()).slice(0, 2)).toEqual([`take ${LINUX} ${WINDOWS}`, `put back ${LINUX}`]);
});
