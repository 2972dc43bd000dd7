import { parseArgs } from 'node:util';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import { runMain, shutdownSignal, tell } from '../ipc.js';
import { createLog } from '../log.js';
import { runRooter } from './rooter.js';

const OPTIONS = {
  home: { type: 'string' },
  socket: { type: 'string' },
  group: { type: 'string' },
  user: { type: 'string' },
} as const;

await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({ options: OPTIONS });
  if (values.home === undefined || values.socket === undefined)
    throw new SandboxError('USAGE', 'rooter: --home and --socket are needed');
  const log = createLog('rooter');
  const { settings } = await loadSettings(homePaths(values.home).conf);
  const stop = new AbortController();
  shutdown.addEventListener('abort', () => stop.abort(shutdown.reason));
  const left = await runRooter(
    settings,
    { path: values.socket, user: values.user ?? null, group: values.group ?? null },
    {
      log,
      ready: () => tell({ kind: 'ready' }),
      broken: (error) => {
        log('error', `the rooter cannot go on: ${reason(error)}`);
        stop.abort(error);
      },
    },
    stop.signal,
  );
  if (left.length > 0) process.exitCode = 1;
});
if (process.connected) process.disconnect();
