import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SandboxError } from '#domain/errors.js';
import type { ChildMessage } from '../../ipc.js';
import { interruptible } from '../interrupt.js';
import { createProgress, show } from '../progress.js';
import { ensurePackages, type HostPackage } from '../setup/host-packages.js';
import { failure } from './child.js';

export interface Service {
  readonly name: 'api' | 'worker' | 'rooter';
  readonly args: readonly string[];
  readonly packages: readonly HostPackage[];
  /** Said once it is ready. */
  readonly ready: (url: string | undefined) => string;
  /** Said at Ctrl-C, unless it is what all workers say. */
  readonly stopping?: string;
}

/** Runs one process of a lab in the foreground until Ctrl-C, or until it ends by itself. @throws what it gave as its reason */
export async function runService({ name, args, packages, ready, stopping }: Service): Promise<number> {
  const progress = createProgress();
  return interruptible(
    async (signal, onSecond) => {
      await ensurePackages(packages, (line) => progress.say(line));
      const module = fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url));
      const child = fork(module, [...args], {
        execArgv: ['--enable-source-maps'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      onSecond(() => void child.kill('SIGKILL'));
      const failures: SandboxError[] = [];
      child.on('message', (message: ChildMessage) => {
        if (message.kind === 'progress') show(progress, message);
        if (message.kind === 'failed') failures.push(failure(message));
        if (message.kind === 'drained') progress.say(`the ${name} is drained, and ends`);
        if (message.kind === 'ready') {
          progress.done();
          progress.say(ready(message.url));
        }
      });
      const stop = (): void => void child.kill('SIGTERM');
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', resolve);
      });
      if (signal.aborted) return code === 0 ? 0 : 1;
      if (failures[0] !== undefined) throw failures[0];
      if (code !== 0) throw new SandboxError('INTERNAL', `the ${name} ended with code ${code ?? 'none'}`);
      return 0;
    },
    progress,
    stopping === undefined ? undefined : () => progress.say(stopping),
  );
}

/** `{ queue: 'x' }` → `--queue x`: what was given is passed on. */
export function optionArgs(values: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
}
