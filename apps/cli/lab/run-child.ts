import type { ChildMessage } from '../../ipc.js';
import { show, type Progress } from '../progress.js';
import { failure } from './child.js';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs a process of the lab that does one thing and ends. @throws what it gave as its reason */
export function runChild(
  module: URL,
  args: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  return runTelling(
    module,
    args,
    (message) => message.kind === 'progress' && show(progress, message),
    signal,
  );
}

/** The same, for one that tells more than how far it is. */
export async function runTelling(
  module: URL,
  args: readonly string[],
  onMessage: (message: ChildMessage) => unknown,
  signal: AbortSignal,
): Promise<void> {
  const child = fork(fileURLToPath(module), [...args], {
    execArgv: ['--enable-source-maps'],
    stdio: ['ignore', 2, 'inherit', 'ipc'],
  });
  const failures: Error[] = [];
  child.on('message', (message: ChildMessage) => {
    if (message.kind === 'failed') failures.push(failure(message));
    onMessage(message);
  });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (failures[0] !== undefined) throw failures[0];
  if (code !== 0) throw new Error(`it ended with code ${code ?? 'none'}`);
}
