import { spawn, type ChildProcess } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SceneName } from './scenes.js';

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A host with a guest on its bridge, in namespaces of their own; needs root. */
export class BridgeLab implements AsyncDisposable {
  private constructor(
    private readonly child: ChildProcess,
    private readonly dir: string,
  ) {}

  static async open(): Promise<BridgeLab> {
    const dir = await mkdtemp(join(tmpdir(), 'bridge-'));
    const child = spawn(
      'unshare',
      [
        '--net',
        '--mount',
        process.execPath,
        '--no-warnings',
        '--import',
        at('../ts-process.js'),
        at('host.ts'),
        dir,
      ],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    const lab = new BridgeLab(child, dir);
    try {
      await once(child, 'message', { signal: AbortSignal.timeout(30_000) });
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Plays a scene; gives what it returned, through JSON. */
  async play(scene: SceneName): Promise<unknown> {
    const answers = on(this.child, 'message', { signal: AbortSignal.timeout(50_000) });
    this.child.send(scene);
    for await (const [answer] of answers) {
      const { scene: played, result, error } = answer as { scene: string; result?: unknown; error?: string };
      if (played !== scene) continue;
      if (error !== undefined) throw new Error(error);
      return result;
    }
    throw new Error('it ended');
  }

  /** As by the kernel when memory is short. */
  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      if (this.child.connected) this.child.disconnect();
      else this.child.kill('SIGKILL');
      await ended;
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}
