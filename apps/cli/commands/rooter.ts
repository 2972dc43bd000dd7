import { join, resolve } from 'node:path';
import { homePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import { chosenMachinery } from '../lab/machinery.js';
import { optionArgs, runService } from '../lab/service.js';
import { homeFolder, parse } from '../options.js';
import { ROOTER_PACKAGES } from '../setup/host-packages.js';
import { loadSettings } from '#config/settings.js';

const OPTIONS = {
  home: { type: 'string' },
  group: { type: 'string', short: 'g' },
  user: { type: 'string' },
  machinery: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('rooter', args, OPTIONS);
  if (positionals.length > 1)
    throw new SandboxError('USAGE', `rooter takes one socket, not also ${JSON.stringify(positionals[1])}`);
  const home = homePaths(homeFolder(values.home));
  const { settings } = await loadSettings(home.conf);
  chosenMachinery(values.machinery, settings);
  const socket = resolve(positionals[0] ?? (settings.cuckoo.cuckoo.rooter || join(home.run, 'rooter.sock')));
  return runService({
    name: 'rooter',
    args: optionArgs({ ...values, home: home.dir, socket }),
    packages: ROOTER_PACKAGES,
    stopping: 'stopping: guests are cut off; waiting for their machines (again: stop at once)',
    ready: () => `the rooter listens at ${socket}. Ctrl-C takes back all it changed and ends it.`,
  });
}
