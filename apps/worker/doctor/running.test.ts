import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { runningWorker } from './running.js';

test('a worker of this home is seen, one of another home is not', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'worker-'));
  const module = join(dir, 'apps/worker/main.js');
  await mkdir(join(dir, 'apps/worker'), { recursive: true });
  await writeFile(module, 'console.log("on"); setInterval(() => {}, 1e6);');
  const child = spawn(process.execPath, [module, '--name', 'b', '--home', join(dir, 'home')]);
  await once(child.stdout, 'data');
  const seen = await runningWorker(join(dir, 'home/'));
  const other = await runningWorker(join(dir, 'home2'));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const gone = await runningWorker(join(dir, 'home'));
  await rm(dir, { recursive: true });
  expect({ seen, other, gone }).toEqual({
    seen: { what: 'worker', pid: child.pid },
    other: null,
    gone: null,
  });
});
