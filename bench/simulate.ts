import { measureCosts, type Costs } from './simulate-costs.js';
import { machineDescription } from './support.js';

/**
 * How far one Redis and one PostgreSQL carry: what a task costs them is measured, and labs of up to thousands of hosts
 * are simulated with that, on machines that never wait for work. Prints one JSON line.
 */

/** As in cuckoo.conf: what a sample runs, with what the host does around it. */
const RUN_SECONDS = 125;
const MACHINES = 40;
const HOSTS = [10, 100, 1_000, 2_000, 4_000] as const;
/** Seconds between two signs of life of a host. */
const HEARTBEAT_SECONDS = 5;
/** Processors that PostgreSQL has: of a small server, not of this machine. */
const SQL_CORES = 8;
/** Simulated seconds; the first half, in which the machines fall out of step, is not counted. */
const SECONDS = 8 * RUN_SECONDS;

/** A service with so many servers, first come, first served: when one is asked at `now`, it has answered at … */
class Service {
  readonly #free: Float64Array;

  constructor(servers: number) {
    this.#free = new Float64Array(servers);
  }

  answer(now: number, seconds: number): number {
    let first = 0;
    for (let at = 1; at < this.#free.length; at += 1)
      if ((this.#free[at] ?? 0) < (this.#free[first] ?? 0)) first = at;
    return (this.#free[first] = Math.max(now, this.#free[first] ?? 0) + seconds);
  }
}

/** A binary heap of times. */
class Times {
  readonly #heap: number[] = [];

  push(time: number): void {
    let at = this.#heap.push(time) - 1;
    for (let up = (at - 1) >> 1; at > 0 && this.#at(up) > time; up = (at - 1) >> 1) {
      this.#heap[at] = this.#at(up);
      at = up;
    }
    this.#heap[at] = time;
  }

  pop(): number {
    const first = this.#at(0);
    const last = this.#heap.pop() ?? 0;
    if (this.#heap.length === 0) return first;
    let at = 0;
    for (let down = 1; down < this.#heap.length; down = 2 * at + 1) {
      if (down + 1 < this.#heap.length && this.#at(down + 1) < this.#at(down)) down += 1;
      if (this.#at(down) >= last) break;
      this.#heap[at] = this.#at(down);
      at = down;
    }
    this.#heap[at] = last;
    return first;
  }

  #at(index: number): number {
    return this.#heap[index] ?? Infinity;
  }
}

/** Every machine: a task ends, its end is written, the next is taken and claimed, and runs. */
function simulate(hosts: number, costs: Costs) {
  const machines = hosts * MACHINES;
  const redis = new Service(1);
  const sql = new Service(SQL_CORES);
  const beats = (hosts * costs.sql_cpu_us_per_heartbeat) / HEARTBEAT_SECONDS / 1e6;
  // Signs of life come evenly: they leave each processor so much of its time.
  const share = 1 - beats / SQL_CORES;
  if (share <= 0) return { hosts, machines, starts_per_s: 0, utilisation: 0, waits_p99_ms: null };
  const ends = new Times();
  for (let n = 0; n < machines; n += 1) ends.push((n / machines) * RUN_SECONDS);
  const waits: number[] = [];
  let starts = 0;
  let ran = 0;
  for (let now = ends.pop(); now < SECONDS; now = ends.pop()) {
    const told = sql.answer(now, (costs.sql_cpu_us_per_task / 1e6 / share) * (1 / 2));
    const taken = redis.answer(told, costs.redis_cpu_us_per_task / 1e6);
    const begun = sql.answer(taken, (costs.sql_cpu_us_per_task / 1e6 / share) * (1 / 2));
    if (now >= SECONDS / 2) {
      waits.push((begun - now) * 1000);
      starts += 1;
      ran += RUN_SECONDS;
    }
    ends.push(begun + RUN_SECONDS * (0.5 + random()));
  }
  const sorted = waits.sort((a, b) => a - b);
  return {
    hosts,
    machines,
    starts_per_s: Math.round((starts / (SECONDS / 2)) * 10) / 10,
    utilisation: Math.min(1, Math.round((ran / machines / (SECONDS / 2)) * 1000) / 1000),
    waits_p99_ms: Math.round((sorted[Math.floor(sorted.length * 0.99)] ?? 0) * 10) / 10,
  };
}

/** The same numbers in every run (mulberry32). */
let seed = 1;
function random(): number {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

/** On paper: each service alone, at the whole of its time. */
function limits(costs: Costs) {
  const perHost = MACHINES / RUN_SECONDS;
  const sqlPerHost =
    (perHost * costs.sql_cpu_us_per_task + costs.sql_cpu_us_per_heartbeat / HEARTBEAT_SECONDS) / 1e6;
  const redisPerHost = (perHost * costs.redis_cpu_us_per_task) / 1e6;
  return {
    redis_tasks_per_s: Math.round(1e6 / costs.redis_cpu_us_per_task),
    redis_hosts: Math.floor(1 / redisPerHost),
    sql_tasks_per_s: Math.round((SQL_CORES * 1e6) / costs.sql_cpu_us_per_task),
    sql_hosts: Math.floor(SQL_CORES / sqlPerHost),
  };
}

const costs = await measureCosts();
console.log(
  JSON.stringify({
    bench: 'simulate',
    ...machineDescription(),
    ...{ machines_per_host: MACHINES, run_seconds: RUN_SECONDS, sql_cores: SQL_CORES },
    costs,
    limits: limits(costs),
    labs: HOSTS.map((hosts) => simulate(hosts, costs)),
  }),
);
