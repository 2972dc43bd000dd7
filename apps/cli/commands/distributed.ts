import { loadDistributed, withOptions } from '#config/distributed-settings.js';
import { homePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import { aborted } from '../../aborted.js';
import { confVariables } from '../../conf-variables.js';
import { interruptible } from '../interrupt.js';
import { startController } from '../lab/controller.js';
import { optionArgs } from '../lab/service.js';
import { homeFolder, parse } from '../options.js';
import { printJsonLine } from '../print.js';
import { createProgress } from '../progress.js';
import { ensurePackages, QUEUE_PACKAGES } from '../setup/host-packages.js';

const OPTIONS = {
  debug: { type: 'boolean', short: 'd' },
  db: { type: 'string' },
  'samples-directory': { type: 'string' },
  'uptime-logfile': { type: 'string' },
  'report-formats': { type: 'string' },
  'reports-directory': { type: 'string' },
  queue: { type: 'string' },
  home: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('distributed', args, OPTIONS);
  const { debug, home: homeOption, ...given } = values;
  const named = listenAt(positionals);
  const home = homePaths(homeFolder(homeOption));
  const { settings: conf, warnings } = await loadDistributed(home, confVariables(home.dir));
  const settings = withOptions(conf, given, home);
  const { host, port } = { ...conf, ...named };
  const queue = settings.queue === '' ? null : settings.queue;
  const progress = createProgress();
  for (const warning of warnings) progress.say(`warning: ${warning}`);

  return interruptible(
    async (signal, onSecond) => {
      if (queue === null) await ensurePackages(QUEUE_PACKAGES, (line) => progress.say(line));
      progress.now('starting the Distributed API');
      const childArgs = [
        ...optionArgs({ ...given, queue: undefined }),
        ...(debug === true ? ['--debug'] : []),
      ];
      await using controller = await startController(
        { home, host, port, queue, args: childArgs, progress },
        signal,
      );
      onSecond(() => controller.kill());
      progress.done();
      printJsonLine({ ready: true, url: controller.url, pid: process.pid });
      progress.say(`the Distributed API is up: ${controller.url} (home folder ${home.dir}). Ctrl-C ends it.`);
      await Promise.race([aborted(signal), controller.broken]);
      return 0;
    },
    progress,
    () =>
      progress.say(
        'stopping; nodes go on with what they have, and the next start fetches it (again: stop at once)',
      ),
  );
}

/** `[host] [port]`, as Cuckoo's utils/dist.py takes them. @throws USAGE */
function listenAt([host, port, ...more]: readonly string[]): { host?: string; port?: number } {
  if (more[0] !== undefined)
    throw new SandboxError(
      'USAGE',
      `distributed takes a host and a port, not also ${JSON.stringify(more[0])}`,
    );
  if (host === undefined) return {};
  if (/^\d+$/.test(host) || !/^[0-9a-zA-Z.:_-]+$/.test(host))
    throw new SandboxError(
      'USAGE',
      `distributed: the host comes first, then the port, such as 127.0.0.1 9003; ${JSON.stringify(host)} is no host`,
    );
  if (port === undefined) return { host };
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new SandboxError(
      'USAGE',
      `distributed: after the host comes a port from 0 to 65535, not ${JSON.stringify(port)}`,
    );
  return { host, port: Number(port) };
}
