import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NodeMachine } from '#nodes/node.js';
import { dispatch } from './dispatch.js';
import { EventFeed } from './event-feed.js';
import { Lab, type Run } from './lab.js';
import { noKnobs, type Knobs, type NodeTask, type NodeTaskStatus, type ScriptedOptions } from './options.js';
import type { World } from './world.js';

const RUN_MS = 20;
/** Milliseconds that answers under way have left when it stops. */
const STOP_MS = 500;

export interface ScriptedNode extends AsyncDisposable {
  /** Base of its REST API. */
  readonly url: string;
  readonly port: number;
  readonly knobs: Knobs;
  readonly tasks: readonly NodeTask[];
  /** Analyses that were really begun, by the mark they carried; neither wipe nor crash forgets them. */
  readonly started: ReadonlyMap<string, number>;
  /** The same, one each, those without a mark too. */
  readonly runs: readonly Run[];
  /** Requests so far, by endpoint. */
  readonly asked: ReadonlyMap<string, number>;
  /** Adds n reported tasks of somebody else. */
  foreignTasks(n: number): void;
  /** As if the node had moved the task there. */
  setStatus(id: number, status: NodeTaskStatus): void;
  /** As if the node had been restarted while the task ran: another one takes its place. Returns that one's id. */
  replace(id: number): number;
  /** All tasks are gone, ids begin at 1 again: as after a new installation. */
  wipe(): void;
  /** Its API is away; what runs goes on, as Cuckoo's daemon is another process. Answers under way are finished. */
  stop(): Promise<void>;
  /** As stop, but all connections are cut at once. */
  crash(): Promise<void>;
  /** On the same port again. */
  start(): Promise<void>;
}

/** A node that speaks a dialect over real HTTP on 127.0.0.1, with machines that only wait, and misbehaves as told. */
export async function startScriptedNode(options: ScriptedOptions): Promise<ScriptedNode> {
  const knobs: Knobs = { ...noKnobs(), token: options.token ?? null, ...options.knobs };
  const machines = (options.machines ?? [{}, {}]).map(machineOf);
  const { runMs = RUN_MS, reportMs = 0, reportBytes = 0 } = options;
  const events = new EventFeed();
  const lab = new Lab({
    machines,
    reportMs,
    runMs: typeof runMs === 'number' ? () => runMs : runMs,
    failure: (task) => knobs.failTask(task),
    onChange: (task, what) => events.add(task, what),
  });
  const { dialect } = options;
  const world: World = { dialect, lab, machines, knobs, events, reportBytes, keys: new Map() };
  const asked = new Map<string, number>();
  let server = await listen(world, asked, options.port ?? 0);
  const { port } = server.address() as AddressInfo;

  const close = async (graceMs: number) => {
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(cut);
  };
  const end = async (graceMs: number) => (server.listening ? close(graceMs) : undefined);

  return {
    url: `http://127.0.0.1:${port}/${dialect === 'cape' ? 'apiv2/' : ''}`,
    port,
    knobs,
    asked,
    get tasks() {
      return [...lab.tasks.values()];
    },
    get started() {
      return countByMark(lab.runs);
    },
    runs: lab.runs,
    foreignTasks: (n) => void lab.addForeign(n),
    setStatus: (id, status) => lab.set(known(lab, id), status),
    replace: (id) => lab.replace(known(lab, id)).id,
    wipe: () => {
      lab.wipe();
      world.keys.clear();
      events.forget();
    },
    stop: () => end(STOP_MS),
    crash: async () => {
      if (!server.listening) return;
      const closed = end(STOP_MS);
      server.closeAllConnections();
      await closed;
    },
    start: async () => {
      if (!server.listening) server = await listen(world, asked, port);
    },
    [Symbol.asyncDispose]: async () => {
      lab.wipe();
      await end(0);
    },
  };
}

async function listen(world: World, asked: Map<string, number>, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    dispatch(world, asked, { request, response }).catch((error: unknown) => {
      // A client that has gone, or a form that cannot be read: no reason for the node to end.
      if (!response.headersSent) response.writeHead(400, { connection: 'close' });
      response.end(String(error));
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function known(lab: Lab, id: number): NodeTask {
  const task = lab.tasks.get(id);
  if (!task) throw new Error(`the scripted node has no task ${id}`);
  return task;
}

function machineOf(given: Partial<NodeMachine>, i: number): NodeMachine {
  const name = given.name ?? `linux${i + 1}`;
  return { name, label: name, platform: 'linux', arch: 'x64', tags: [], reserved: false, ...given };
}

function countByMark(runs: readonly Run[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { mark } of runs) if (mark !== null) counts.set(mark, (counts.get(mark) ?? 0) + 1);
  return counts;
}
