import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { ARTIFACTS } from '#domain/artifacts.js';
import { createLog, type Log } from '../log.js';

export interface TaskLog extends AsyncDisposable {
  readonly log: Log;
}

/** cuckoo.log of one analysis: what the host did, for the analyst; the operator's log gets the same lines. */
export function openTaskLog(dir: string, task: number, operator: Log): TaskLog {
  const file = createWriteStream(join(dir, ARTIFACTS.hostLog), { flags: 'a', mode: 0o640 });
  let broken = false;
  file.on('error', (error) => {
    broken = true;
    operator('warn', `the task's log cannot be written: ${error.message}`, { task });
  });
  // The analyst gets every line, whatever the operator wants to see.
  const write = createLog('worker', {
    least: 'debug',
    write: (line) => {
      if (!broken) file.write(line);
    },
  });
  return {
    log: (level, message, fields) => {
      write(level, message, { task, ...fields });
      operator(level, message, { task, ...fields });
    },
    [Symbol.asyncDispose]: async () => {
      file.end();
      if (!broken) await finished(file).catch(() => {}); // told by the error handler above
    },
  };
}
