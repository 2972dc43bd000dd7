import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Host, RunAs } from './context.js';

/** Absolute path of a program, or null when it is on none of the folders. An absolute name is that file. */
export async function programPath(name: string, { path }: Pick<Host, 'path'>): Promise<string | null> {
  const places = isAbsolute(name) ? [name] : path.split(':').map((folder) => join(folder, name));
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      return place; // not what it links to: redis-server is one program of several, and goes by its name
    } catch {
      continue; // not here
    }
  }
  return null;
}

export interface Ran {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Characters of output that are kept: a version or an error, not a log. */
const MOST_OUTPUT = 65_536;

export interface RunOptions {
  readonly path: string;
  readonly runAs?: RunAs | null;
  /** Told of each piece of stderr, with all of it so far. */
  readonly onStderr?: (all: string) => void;
}

/** Runs a program by its argv to its end; a signal that aborts kills it. @throws when it cannot be started */
export function runProgram(
  program: string,
  args: readonly string[],
  { path, runAs, onStderr }: RunOptions,
  signal: AbortSignal,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, [...args], {
      env: { PATH: path, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...runAs,
    });
    const kill = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout = (stdout + chunk.toString()).slice(0, MOST_OUTPUT);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(0, MOST_OUTPUT);
      onStderr?.(stderr);
    });
    child.once('error', (error) => {
      signal.removeEventListener('abort', kill);
      reject(error);
    });
    child.once('close', (code) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve({ code, stdout, stderr });
    });
  });
}
