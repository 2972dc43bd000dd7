import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Dialect } from '#nodes/dialect.js';
import { ENDPOINTS } from '../test/support/scripted-node/options.js';
import { startScriptedNode, type ScriptedNode } from '../test/support/scripted-node/start.js';

export interface NodesWanted {
  readonly dialect: Dialect;
  readonly count: number;
  /** Of each. */
  readonly machines: number;
  /** Milliseconds of an analysis. */
  readonly runMs: number;
}

/** What was seen on the nodes. */
export interface Seen {
  readonly analyses: number;
  /** Of a mark that was seen before. */
  readonly repeated: number;
  /** Tasks that nobody has deleted. */
  readonly left: number;
}

/** Scripted nodes in a process of their own: what they cost is not the controller's. */
export class BenchNodes implements AsyncDisposable {
  private constructor(
    private readonly child: ChildProcess,
    readonly urls: readonly string[],
  ) {}

  static async start(wanted: NodesWanted): Promise<BenchNodes> {
    const child = fork(fileURLToPath(import.meta.url), ['nodes', JSON.stringify(wanted)]);
    const [urls] = (await once(child, 'message')) as [string[]];
    return new BenchNodes(child, urls);
  }

  /** From now on the first of them answers nothing, whatever it is asked. */
  async hangFirst(): Promise<void> {
    await this.#ask('hang');
  }

  async seen(): Promise<Seen> {
    return (await this.#ask('seen')) as Seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill();
    await exited;
  }

  async #ask(what: string): Promise<unknown> {
    const answer = once(this.child, 'message');
    this.child.send(what);
    return ((await answer) as [unknown])[0];
  }
}

if (process.argv[2] === 'nodes') await serve(JSON.parse(process.argv[3] ?? '') as NodesWanted);

async function serve({ dialect, count, machines, runMs }: NodesWanted): Promise<void> {
  const names = Array.from({ length: machines }, (_, n) => ({ name: `vm${n + 1}`, platform: 'linux' }));
  const nodes: ScriptedNode[] = [];
  while (nodes.length < count) nodes.push(await startScriptedNode({ dialect, machines: names, runMs }));
  process.on('message', (what) => {
    if (what === 'hang' && nodes[0] !== undefined) nodes[0].knobs.hang = ENDPOINTS;
    process.send?.(what === 'seen' ? look(nodes) : null);
  });
  process.on('disconnect', () => process.exit()); // the bench is gone, however it ended
  process.send?.(nodes.map(({ url }) => url));
}

function look(nodes: readonly ScriptedNode[]): Seen {
  const runs = nodes.flatMap((node) => node.runs);
  const marks = runs.flatMap(({ mark }) => (mark === null ? [] : [mark]));
  return {
    analyses: runs.length,
    repeated: marks.length - new Set(marks).size,
    left: nodes.reduce((sum, { tasks }) => sum + tasks.length, 0),
  };
}
