import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { confVariables } from '../../conf-variables.js';
import { aborted } from '../../aborted.js';
import { interruptible } from '../interrupt.js';
import { startLab } from '../lab/lab.js';
import { chosenMachinery, mostMachines } from '../lab/machinery.js';
import { homeFolder, noArguments, parse, wholeNumber } from '../options.js';
import { createProgress } from '../progress.js';
import { ensurePackages, labPackages } from '../setup/host-packages.js';

const OPTIONS = {
  machinery: { type: 'string' },
  machines: { type: 'string' },
  home: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('up', args, OPTIONS);
  noArguments('up', positionals);
  const home = homePaths(homeFolder(values.home));
  const { settings, warnings } = await loadSettings(home.conf, confVariables(home.dir));
  const machinery = chosenMachinery(values.machinery, settings);
  const machines = wholeNumber('machines', values.machines, { min: 1, max: mostMachines(machinery) });
  const host = values.host ?? settings.cuckoo.api.host;
  const port = wholeNumber('port', values.port, { min: 1, max: 65_535 }) ?? settings.cuckoo.api.port;
  const progress = createProgress();
  for (const warning of warnings) progress.say(`warning: ${warning}`);

  return interruptible(async (signal, onSecond) => {
    await ensurePackages(labPackages(machinery), (line) => progress.say(line));
    progress.now('starting the lab');
    await using lab = await startLab(
      { home, host, port, machinery: values.machinery, machines, quiet: false, progress },
      signal,
    );
    onSecond(() => lab.kill());
    progress.done();
    progress.say(`Malkoha is up: ${lab.url} (home folder ${home.dir}). Ctrl-C ends it.`);
    await Promise.race([aborted(signal), lab.broken]);
    return 0;
  }, progress);
}
