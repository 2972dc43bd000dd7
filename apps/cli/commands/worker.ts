import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../../conf-variables.js';
import { chosenMachinery, mostMachines } from '../lab/machinery.js';
import { optionArgs, runService } from '../lab/service.js';
import { homeFolder, noArguments, parse, wholeNumber } from '../options.js';
import { labPackages } from '../setup/host-packages.js';

const OPTIONS = {
  name: { type: 'string' },
  queue: { type: 'string' },
  database: { type: 'string' },
  machinery: { type: 'string' },
  machines: { type: 'string' },
  home: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('worker', args, OPTIONS);
  noArguments('worker', positionals);
  const home = homePaths(homeFolder(values.home));
  const { settings } = await loadSettings(home.conf, confVariables(home.dir));
  const machinery = chosenMachinery(values.machinery, settings);
  wholeNumber('machines', values.machines, { min: 1, max: mostMachines(machinery) });
  if (values.name !== undefined && !/^[\w][\w.-]{0,63}$/.test(values.name))
    throw new SandboxError(
      'USAGE',
      `--name takes letters, digits, dots and dashes, not ${JSON.stringify(values.name)}`,
    );
  return runService({
    name: 'worker',
    args: optionArgs({ ...values, home: home.dir }),
    packages: labPackages(machinery),
    ready: () => `the worker takes tasks (home folder ${home.dir}). Ctrl-C ends it.`,
  });
}
