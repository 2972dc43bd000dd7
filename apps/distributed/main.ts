import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { loadDistributed, withOptions } from '#config/distributed-settings.js';
import { homePaths } from '#config/home.js';
import { reason, SandboxError } from '#domain/errors.js';
import { aborted } from '../aborted.js';
import { Cleanup } from '../cleanup.js';
import { confVariables } from '../conf-variables.js';
import { mustBeSafe } from '../http/bind.js';
import { serve } from '../http/serve.js';
import { runMain, shutdownSignal } from '../ipc.js';
import { createLog, type Log } from '../log.js';
import { readPort } from '../ports.js';
import { openContext } from './open-context.js';
import { createServer } from './server.js';

await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({
    options: {
      home: { type: 'string' },
      host: { type: 'string', short: 'H' },
      port: { type: 'string', short: 'p' },
      debug: { type: 'boolean', short: 'd' },
      db: { type: 'string' },
      'samples-directory': { type: 'string' },
      'reports-directory': { type: 'string' },
      'report-formats': { type: 'string' },
      'uptime-logfile': { type: 'string' },
      queue: { type: 'string' },
    },
  });
  const log = openLog(values.debug === true);
  const dir = values.home ?? process.env['MALKOHA_HOME'];
  if (dir === undefined || dir === '')
    throw new SandboxError('USAGE', 'distributed: --home DIR or $MALKOHA_HOME is needed');
  const home = homePaths(dir);
  const { settings: conf, warnings } = await loadDistributed(home, confVariables(home.dir));
  for (const warning of warnings) log('warn', warning, { code: 'CONFIG_INVALID' });
  const host = values.host ?? conf.host;
  const port = readPort(values.port) ?? conf.port;
  const settings = { ...withOptions(conf, values, home), host, port };
  await mustBeSafe(host, settings.tokens, { file: 'distributed.conf', section: 'distributed' });
  if (settings.tokens.length === 0)
    log('info', 'no token is set: every program of this host may use the Distributed API');

  await using cleanup = new Cleanup((error) => log('error', `while ending: ${reason(error)}`));
  const context = await openContext({ home, settings, log, shutdown }, cleanup);
  const app = await createServer(context);
  cleanup.defer(() => app.close());
  await serve(app, port, host);
  await aborted(shutdown);
});
if (process.connected) process.disconnect();
// Connections to a Redis that is away go on trying, and would keep us.
setTimeout(() => process.exit(), 1000).unref();

/** Without --debug and $MALKOHA_LOG what is of use only when something is wrong is left out. */
function openLog(debug: boolean): Log {
  const fields = { host: hostname() };
  const least = debug ? 'debug' : process.env['MALKOHA_LOG'] === undefined ? 'info' : undefined;
  return createLog('distributed', { fields, ...(least !== undefined && { least }) });
}
