import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RunningLab } from './context.js';

/** The compiled module of a worker, as its command line ends before its options. */
const WORKER = /\/apps\/worker\/main\.js$/;

/** A worker that runs on this home folder without a daemon: machines are its own, too. Null when there is none that we can see. */
export async function runningWorker(home: string): Promise<RunningLab | null> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''); // it has ended meanwhile
    const words = line.split('\0');
    const of = words[words.indexOf('--home') + 1];
    const runs = words.some((word) => WORKER.test(word)) && words.includes('--home');
    if (runs && of !== undefined && resolve(of) === resolve(home))
      return { what: 'worker', pid: Number(pid) };
  }
  return null;
}
