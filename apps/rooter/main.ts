import { parseArgs } from 'node:util';
import { homePaths } from '#config/home.js';
import { MACHINERIES, machineryNames } from '#config/machineries.js';
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
  machinery: { type: 'string' },
} as const;

await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({ options: OPTIONS });
  if (values.home === undefined || values.socket === undefined)
    throw new SandboxError('USAGE', 'rooter: --home and --socket are needed');
  const log = createLog('rooter');
  const { settings } = await loadSettings(homePaths(values.home).conf);
  const machinery = machineryNames(values.machinery ?? settings.cuckoo.cuckoo.machinery);
  if ('unknown' in machinery)
    throw new SandboxError(
      values.machinery === undefined ? 'CONFIG_INVALID' : 'USAGE',
      `${values.machinery === undefined ? '[cuckoo] machinery in cuckoo.conf' : '--machinery'}: ${JSON.stringify(machinery.unknown)} is not one of ${MACHINERIES.join(', ')}`,
    );
  const stop = new AbortController();
  const broken: unknown[] = [];
  shutdown.addEventListener('abort', () => stop.abort(shutdown.reason));
  const left = await runRooter(
    settings,
    machinery.names,
    { path: values.socket, user: values.user ?? null, group: values.group ?? null },
    {
      log,
      ready: () => tell({ kind: 'ready' }),
      broken: (error) => {
        log('error', `the rooter cannot go on: ${reason(error)}`);
        broken.push(error);
        stop.abort(error);
      },
    },
    stop.signal,
  );
  // Whoever supervises it starts it again.
  if (broken.length > 0) throw broken[0];
  if (left.length > 0) process.exitCode = 1;
});
if (process.connected) process.disconnect();
