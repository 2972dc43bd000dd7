import { homePaths } from '#config/home.js';
import { optionArgs, runService } from '../lab/service.js';
import { homeFolder, noArguments, parse, wholeNumber } from '../options.js';
import { API_PACKAGES } from '../setup/host-packages.js';

const OPTIONS = {
  host: { type: 'string', short: 'H' },
  port: { type: 'string', short: 'p' },
  queue: { type: 'string' },
  database: { type: 'string' },
  home: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('api', args, OPTIONS);
  noArguments('api', positionals);
  wholeNumber('port', values.port, { min: 0, max: 65_535 });
  const home = homePaths(homeFolder(values.home));
  return runService({
    name: 'api',
    args: optionArgs({ ...values, home: home.dir }),
    packages: API_PACKAGES,
    ready: (url) => `the API is up: ${url ?? ''} (home folder ${home.dir}). Ctrl-C ends it.`,
  });
}
