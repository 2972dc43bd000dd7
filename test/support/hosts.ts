import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { DataSource } from 'typeorm';
import { homePaths, type HomePaths } from '#config/home.js';
import { cuckooSettings } from '#config/cuckoo-settings.js';
import { serves, type Machine } from '#domain/machine.js';
import type { Submission } from '#domain/task.js';
import { fakeMachinery } from '#machinery/adapters/fake/fake.js';
import { MachinePool } from '#machinery/pool.js';
import { wantsOf } from '#domain/lanes.js';
import { Bells, receive } from '#queue/mail.js';
import { Queues } from '#queue/queues.js';
import { openDatabase } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { Cleanup } from '../../apps/cleanup.js';
import { openArtifacts } from '../../apps/open-artifacts.js';
import { Dispatcher } from '../../apps/worker/dispatcher.js';
import { readText } from './conf.js';
import { HeldLab } from './held-lab.js';
import type { TestRedis } from './redis.js';
import { aSubmission } from './task.js';
import { until } from './until.js';

export interface TestHost extends AsyncDisposable {
  readonly dispatcher: Dispatcher;
  readonly pool: MachinePool;
  readonly lab: HeldLab;
  /** Hands back what runs, as at the end of the process. */
  shutDown(): Promise<void>;
}

export interface HostOptions {
  /** Why the host takes no more tasks beside so many; null: it does. */
  readonly admission?: (running: number) => string | null;
}

const { settings } = readText(cuckooSettings, '');
const quiet = (): void => {};

/**
 * Hosts that dispatch from one Redis and one SQLite database, with the real dispatcher, pool and analyst, whose
 * analyses last until the test ends them. Where production waits a few seconds at most for a bell, they wait for ever:
 * one that is not rung is a test that does not end.
 */
export class TestHosts implements AsyncDisposable {
  readonly hosts: TestHost[] = [];
  /** Each run that began: its task and machine. */
  readonly began: (readonly [number, string])[] = [];

  private constructor(
    private readonly home: HomePaths,
    private readonly db: DataSource,
    private readonly redis: TestRedis,
    readonly tasks: Tasks,
    readonly queues: Queues,
  ) {}

  static async open(redis: TestRedis): Promise<TestHosts> {
    const home = homePaths(await mkdtemp(join(tmpdir(), 'hosts-')));
    const db = await openDatabase(`sqlite://${home.database}`);
    await redis.redis.flushall();
    return new TestHosts(home, db, redis, new Tasks(db), new Queues(redis.redis, quiet));
  }

  async submit(changes: Partial<Submission> = {}): Promise<number> {
    const task = await this.tasks.create(aSubmission(changes), null);
    await this.queues.enqueueAnalysis(task);
    return task.id;
  }

  /** One more host, which dispatches at once. */
  async host(name: string, machines: readonly Machine[], options: HostOptions = {}): Promise<TestHost> {
    const redis = await this.redis.connect();
    const shutdown = new AbortController();
    const lab = new HeldLab((task, machine) => this.began.push([task, machine]));
    const queues = new Queues(redis, quiet);
    let wake = quiet;
    const pool = new MachinePool([fakeMachinery(machines)], {
      startLimit: machines.length,
      onChange: () => wake(),
    });
    const { admission = () => null } = options;
    const dispatcher = new Dispatcher({
      analyst: {
        ...{ worker: `${name}/1/1`, home: this.home, settings, tasks: this.tasks, lab },
        artifacts: openArtifacts(settings.artifacts, this.home, this.db),
        ...{ log: quiet, onPhase: quiet },
      },
      ...{ machines: pool, queues, shutdown: shutdown.signal },
      bells: new Bells(patient(redis), name, quiet),
      admission: { blocks: async (running) => admission(running) },
    });
    wake = () => dispatcher.wake();
    dispatcher.begin();
    const mail = receive(redis, name, () => dispatcher.wake(), quiet);
    const end = async (): Promise<void> => {
      shutdown.abort(new Error('asked to end'));
      await mail[Symbol.asyncDispose]();
      await dispatcher[Symbol.asyncDispose]();
      await pool.close(AbortSignal.timeout(5000));
      await queues[Symbol.asyncDispose]();
    };
    let ended: Promise<void> | null = null;
    const shutDown = (): Promise<void> => (ended ??= end());
    const host = { dispatcher, pool, lab, shutDown, [Symbol.asyncDispose]: shutDown };
    this.hosts.push(host);
    return host;
  }

  /** Tasks that run, and on which machine. */
  get running(): ReadonlyMap<number, string> {
    return new Map(
      this.hosts.flatMap(({ lab }) =>
        [...lab.running].map(([task, { machine }]) => [task, machine] as const),
      ),
    );
  }

  finish(task: number): void {
    for (const { lab } of this.hosts) lab.running.get(task)?.finish();
  }

  /** Nothing is under way, and no machine is free that could serve a task that waits. */
  async settled(): Promise<void> {
    let before = '';
    await until(async () => {
      const now = await this.#look();
      // Looked at twice: what moves on between two of its questions is in neither answer.
      const isSo = now.isSettled && now.seen === before;
      before = now.seen;
      return isSo;
    });
  }

  async #look(): Promise<{ readonly isSettled: boolean; readonly seen: string }> {
    const depths = (await this.queues.lanes.depths()).filter((lane) => lane.waiting > 0);
    const waiting = depths.map(({ lane }) => lane);
    const pending = await this.tasks.idsOf('pending', 0, 1000);
    const queued = await this.queues.lanes.has(pending);
    const running = await this.tasks.idsOf('running', 0, 1000);
    const all = this.hosts.flatMap(({ pool }) => pool.states());
    const free = this.hosts.flatMap(({ pool }) => pool.free());
    const leased = all.filter(({ state }) => state === 'leased').length;
    const isSettled =
      all.every(({ state }) => state !== 'restoring') &&
      leased === running.length &&
      leased === this.running.size &&
      !queued.includes(false) &&
      !waiting.some((lane) => free.some((machine) => serves(machine, wantsOf(lane))));
    const seen = [waiting, pending, queued, running, all.map(({ state }) => state), [...this.running.keys()]];
    return { isSettled, seen: JSON.stringify(seen) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using cleanup = new Cleanup();
    cleanup.defer(() => rm(this.home.dir, { recursive: true }));
    cleanup.defer(() => this.db.destroy());
    cleanup.use(this.queues);
    for (const host of this.hosts) cleanup.use(host);
  }
}

/** Its blocking waits do not end by themselves, but for those that were told a time of their own. */
function patient(redis: Redis): Redis {
  const duplicate = (): Redis => {
    const connection = redis.duplicate();
    const blpop = connection.blpop.bind(connection) as (
      ...args: unknown[]
    ) => Promise<[string, string] | null>;
    const seconds = (wanted: unknown) => (wanted === 5 ? 0 : wanted);
    connection.blpop = async (...args: unknown[]) => blpop(...args.slice(0, -1), seconds(args.at(-1)));
    return connection;
  };
  return new Proxy(redis, {
    get: (target, name) => {
      if (name === 'duplicate') return duplicate;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
