import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { homePaths } from '#config/home.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import { loadSettings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import { PROCESSING_QUEUE } from '#queue/queues.js';
import { aborted } from '../aborted.js';
import { Cleanup } from '../cleanup.js';
import { confVariables } from '../conf-variables.js';
import { runMain, shutdownSignal } from '../ipc.js';
import { createLog } from '../log.js';
import { readPort } from '../ports.js';
import { mustBeSafe } from '../http/bind.js';
import { serve } from '../http/serve.js';
import { openContext } from './open-context.js';
import { createServer } from './server.js';

const log = createLog('api', { fields: { host: hostname() } });

await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({
    options: {
      home: { type: 'string' },
      host: { type: 'string', short: 'H' },
      port: { type: 'string', short: 'p' },
      queue: { type: 'string' },
      database: { type: 'string' },
    },
  });
  const dir = values.home ?? process.env['MALKOHA_HOME'];
  if (dir === undefined || dir === '')
    throw new SandboxError('USAGE', 'api: --home DIR or $MALKOHA_HOME is needed');
  const { settings, warnings } = await loadSettings(homePaths(dir).conf, confVariables(dir));
  for (const warning of warnings) log('warn', warning, { code: 'CONFIG_INVALID' });

  const { api, tokens } = settings.cuckoo;
  const host = values.host ?? api.host;
  const port = readPort(values.port) ?? api.port;
  await mustBeSafe(host, tokens);
  if (tokens.length === 0) log('info', 'no token is set: every program of this host may use the API');

  await using cleanup = new Cleanup((error) => log('error', `while ending: ${reason(error)}`));
  const { queue, database } = settings.cuckoo;
  const wanted: CuckooSettings = {
    ...settings.cuckoo,
    api: { ...api, host },
    queue: { ...queue, ...(values.queue && { connection: values.queue }) },
    database: { ...database, ...(values.database && { connection: values.database }) },
  };
  const context = await openContext({ home: dir, settings: wanted, log, shutdown }, cleanup);
  const app = await createServer(context);
  cleanup.defer(() => app.close());
  await serve(app, port, host);
  setImmediate(() => {
    // Loaded before anybody waits for it, after everybody may ask.
    context.queues.get(PROCESSING_QUEUE);
    context.facts.warm();
  });
  await aborted(shutdown);
});
if (process.connected) process.disconnect();
