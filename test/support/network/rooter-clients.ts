import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from '@jest/globals';

/** The answers to lines of a connection of its own. */
export async function talk(
  path: string,
  lines: readonly string[],
): Promise<readonly { id: number | null; ok: boolean }[]> {
  const socket = connect(path);
  let text = '';
  socket.on('data', (bytes) => (text += bytes.toString()));
  socket.end(`${lines.join('\n')}\n`);
  await once(socket, 'close');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: number | null; ok: boolean });
}

/** Holds a connection after one line, printing what comes. */
const HOLD = `
const socket = require('node:net').connect(process.argv[1]);
socket.write(process.argv[2] + '\\n');
socket.pipe(process.stdout);
`;

export async function end(rooter: ChildProcess): Promise<void> {
  rooter.kill('SIGTERM');
  expect(await once(rooter, 'exit')).toEqual([0, null]);
}

/** What a connection of another user gets for a line; or the code of the error. */
export async function asUser(uid: number, gid: number, socket: string, line: string): Promise<string> {
  const child = spawn(process.execPath, ['-e', ASK, socket, line], {
    uid,
    gid,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await once(child, 'close');
  return said.trim();
}

const ASK = `
const socket = require('node:net').connect(process.argv[1]);
socket.on('error', ({ code }) => console.log(code));
socket.end(process.argv[2] + '\\n');
socket.pipe(process.stdout);
`;

/** Another process with a connection, after the answer to its line. */
export async function holder(
  socket: string,
  line: string,
): Promise<{ process: ChildProcess; answer: unknown }> {
  const child = spawn(process.execPath, ['-e', HOLD, socket, line], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [answer] = (await once(child.stdout, 'data')) as [Buffer];
  return { process: child, answer: JSON.parse(answer.toString()) };
}
