import { Findings } from '#config/findings.js';
import { homePaths } from '#config/home.js';
import { readTexts } from '#config/layers.js';
import { machineryNames, MACHINERIES, type MachineryName } from '#config/machineries.js';
import { addMachine, type ConfFolder } from '#config/machine-edit.js';
import { settingsOf } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../../../conf-variables.js';
import { writeWhole } from '../../conf/write-file.js';
import { homeFolder, parse } from '../../options.js';
import { print } from '../../print.js';
import { visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const options = { home: { type: 'string' }, machinery: { type: 'string' } } as const;
  const { values, positionals } = parse('machine add', args, options);
  const [name, ...pairs] = positionals;
  if (name === undefined)
    throw new SandboxError('USAGE', 'machine add: name the machine, then its keys as KEY=VALUE');
  const { dir, conf: confDir } = homePaths(homeFolder(values.home));
  const conf = { confDir, texts: await readTexts(confDir), variables: confVariables(dir) };
  const machinery = oneMachinery(values.machinery, conf);
  const { file, text } = addMachine(conf, machinery, name, keysOf(pairs));
  await writeWhole(file, text);
  print(`${visible(file)} has the machine ${name}; workers read it when they start`);
  return 0;
}

/** `--machinery`, else the one that cuckoo.conf names. @throws USAGE */
export function oneMachinery(option: string | undefined, conf: ConfFolder): MachineryName {
  const { cuckoo } = settingsOf(conf.confDir, conf.texts, new Findings(), conf.variables);
  const wanted = machineryNames(option ?? cuckoo.cuckoo.machinery);
  const [name, ...more] = 'names' in wanted ? wanted.names : [];
  if (name !== undefined && more.length === 0) return name;
  throw new SandboxError('USAGE', `--machinery takes one of ${MACHINERIES.join(', ')}`);
}

function keysOf(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    pairs.map((pair) => {
      const [, key, value] = /^([\w-]+)=(.*)$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined)
        throw new SandboxError(
          'USAGE',
          `machine add: keys are given as KEY=VALUE, not ${JSON.stringify(pair)}`,
        );
      return [key.toLowerCase(), value.trim()] as const;
    }),
  );
}
