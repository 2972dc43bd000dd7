import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { homePaths } from '#config/home.js';
import { isThere } from '#storage/artifacts/local.js';
import { crashingRedis, type Crashing } from '../chaos/services.js';
import { Supervised } from '../chaos/supervised.js';
import { ROOT, SHARED_GUESTS } from '../malkoha.js';
import { installIntake, readIntake, type Intake } from './intake.js';

export interface LabNodeOptions {
  readonly name: string;
  /** The folder that holds the homes of the lab. */
  readonly lab: string;
  readonly port: number;
  readonly machinery: 'qemu' | 'fake';
  readonly machines: number;
  /** What its API wants; '': nothing. */
  readonly token: string;
}

/** A whole Malkoha in a home folder of its own, as its owner would run it: private Redis, API, worker, SQLite. */
export class LabNode {
  #api: Supervised | null = null;
  #worker: Supervised | null = null;
  #redis: (Crashing & AsyncDisposable) | null = null;
  /** Homes it had before, and what came in there. */
  readonly earlier: (readonly Intake[])[] = [];
  /** Kills of processes that are not supervised any more. */
  readonly #kills = new Map<string, number>();

  private constructor(private readonly options: LabNodeOptions) {}

  static async start(options: LabNodeOptions): Promise<LabNode> {
    const node = new LabNode(options);
    await node.begin();
    return node;
  }

  get name(): string {
    return this.options.name;
  }

  get token(): string {
    return this.options.token;
  }

  get dir(): string {
    return join(this.options.lab, this.name);
  }

  /** Base of its REST API. */
  get url(): string {
    return `http://127.0.0.1:${this.options.port}/`;
  }

  get processes(): readonly Supervised[] {
    return [this.#api, this.#worker].filter((one) => one !== null);
  }

  get services(): readonly Crashing[] {
    return this.#redis === null ? [] : [this.#redis];
  }

  /** By what was killed. */
  get kills(): ReadonlyMap<string, number> {
    const all = new Map(this.#kills);
    for (const { name, kills } of [...this.processes, ...this.services])
      all.set(name, (all.get(name) ?? 0) + kills);
    return all;
  }

  /** Every task that came in at its present home. */
  async intake(): Promise<readonly Intake[]> {
    return readIntake(homePaths(this.dir).database);
  }

  /** Power cut: all of its processes at once. */
  async powerOff(): Promise<void> {
    const processes = this.processes;
    const kills = this.kills;
    for (const one of processes) one.kill();
    await Promise.all(processes.map((one) => one.stop()));
    await this.#redis?.[Symbol.asyncDispose]();
    this.#api = this.#worker = this.#redis = null;
    for (const [what, times] of kills) this.#kills.set(what, times);
  }

  /** Reinstalled: everything it knew is gone, its ids begin at 1 again. Only while it is off. */
  async wipe(): Promise<void> {
    this.earlier.push(await this.intake());
    // Kept aside, so that a failure of the test can be looked into.
    await rename(this.dir, `${this.dir}.life${this.earlier.length}`);
  }

  /** Boots it, on the home it has or on a new one. Resolves when it answers and its machines are registered. */
  async begin(): Promise<void> {
    const { name, dir } = this;
    const home = homePaths(dir);
    await this.#configure();
    await installIntake(home.database);
    const { service, connection: _, ...redis } = await crashingRedis(home.redis);
    this.#redis = Object.assign(service, redis, { name: `${name} redis` });
    const main = (app: string) => join(ROOT, 'dist', 'apps', app, 'main.js');
    const log = (app: string) => join(this.options.lab, `${name}-${app}.log`);
    this.#api = new Supervised(`${name} api`, [main('api'), '--home', dir], log('api'));
    const worker = [main('worker'), '--home', dir, '--name', name];
    this.#worker = new Supervised(`${name} worker`, worker, log('worker'));
    await this.#answers();
  }

  /** As it is told to end by its owner. */
  async stop(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.stop()));
    await this.#redis?.[Symbol.asyncDispose]();
  }

  async #answers(): Promise<void> {
    const headers = this.token === '' ? {} : { Authorization: `Bearer ${this.token}` };
    for (;;) {
      const answer = await fetch(`${this.url}machines/list`, { headers }).catch(() => null);
      if (answer?.status === 200) {
        const { machines } = (await answer.json()) as { machines: unknown[] };
        if (machines.length === this.options.machines) return;
      }
      await sleep(100);
    }
  }

  async #configure(): Promise<void> {
    const home = homePaths(this.dir);
    const { machinery, machines, port, token } = this.options;
    await mkdir(home.conf, { recursive: true });
    // It has them already when it was only powered off.
    if (!(await isThere(home.guests))) await symlink(SHARED_GUESTS, home.guests);
    await writeFile(
      join(home.conf, 'cuckoo.conf'),
      `[cuckoo]\nmachinery = ${machinery}\nfreespace = 0\napi_token = ${token}\n` +
        `[database]\nconnection = sqlite://${home.database}\n[queue]\nconnection = unix://${home.redis.socket}\n` +
        `[resultserver]\nport = 0\n[timeouts]\ncritical = 15\n[scheduler]\nmin_memory = 0\npatience = 600\n` +
        `[api]\nport = ${port}\n`,
    );
    await writeFile(join(home.conf, 'qemu.conf'), `[qemu]\nmachines = ${machines}\nmemory = 512M\n`);
    await writeFile(join(home.conf, 'fake.conf'), `[fake]\nmachines = ${machines}\nrun_ms = 200\n`);
  }
}
