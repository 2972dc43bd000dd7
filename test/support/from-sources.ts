import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

export interface RunningProgram {
  readonly pid: number;
  /** Resolves with the first match in what it has written; rejects when it ends before. */
  said(stream: 'stdout' | 'stderr', what: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Runs a program of ours, such as `apps/cli/main.ts`, as it stands in the sources; what it forks as well. */
export function runFromSources(program: string, args: readonly string[]): RunningProgram {
  const hooks = new URL('test/support/ts-process.js', ROOT).href;
  const child = spawn(process.execPath, [fileURLToPath(new URL(program, ROOT)), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: `--no-warnings --import ${hooks}` },
  });
  const written = { stdout: '', stderr: '' };
  let looks: (() => void)[] = [];
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].on('data', (chunk: Buffer) => {
      written[stream] += chunk.toString();
      for (const look of looks) look();
    });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...written }));
  });
  const said = (stream: 'stdout' | 'stderr', what: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = (): void => {
        const found = what.exec(written[stream]);
        if (found === null) return;
        looks = looks.filter((one) => one !== look);
        resolve(found);
      };
      looks.push(look);
      look();
      void ended.then(({ code, stderr }) =>
        reject(new Error(`it ended with ${String(code)} and never said ${what.source}: ${stderr}`)),
      );
    });
  return { pid: child.pid ?? 0, said, ended };
}
