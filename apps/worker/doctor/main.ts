import { parseArgs } from 'node:util';
import { SandboxError } from '#domain/errors.js';
import { runMain, shutdownSignal, tell } from '../../ipc.js';
import { THIS_HOST } from './context.js';
import { diagnose } from './run.js';
import { runningWorker } from './running.js';

/** Milliseconds for what was begun to be sent. */
const LAST_WAIT_MS = 500;

const OPTIONS = {
  home: { type: 'string' },
  machinery: { type: 'string' },
  machine: { type: 'string' },
  'no-machines': { type: 'boolean' },
  'daemon-pid': { type: 'string' },
} as const;

/** `malkoha doctor`: looks, and tells each finding as it comes. */
await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({ options: OPTIONS });
  if (values.home === undefined) throw new SandboxError('USAGE', 'doctor: --home DIR is needed');
  const pid = values['daemon-pid'];
  const { home, machinery } = values;
  const machine = values['no-machines'] === true ? null : values.machine;
  const running =
    pid === undefined ? await runningWorker(home) : { what: 'daemon' as const, pid: Number(pid) };
  const onCheck = (name: string): void =>
    tell({ kind: 'progress', line: `looking at ${name}`, lasting: false });
  const examination = { home, machinery, machine, running, host: THIS_HOST, onCheck };
  for await (const finding of diagnose(examination, shutdown)) tell({ kind: 'finding', finding });
});
if (process.connected) process.disconnect();
// What a check left behind because it hangs must not keep the process.
setTimeout(() => process.exit(), LAST_WAIT_MS).unref();
