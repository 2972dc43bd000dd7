import { homePaths } from '#config/home.js';
import { readTexts } from '#config/layers.js';
import { machineryOf, removeMachine, type ConfFolder } from '#config/machine-edit.js';
import type { MachineryName } from '#config/machineries.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../../../conf-variables.js';
import { writeWhole } from '../../conf/write-file.js';
import { homeFolder, machineNames, parse } from '../../options.js';
import { print } from '../../print.js';
import { visible } from '../../text.js';
import { oneMachinery } from './add.js';

export async function run(args: readonly string[]): Promise<number> {
  const options = { home: { type: 'string' }, machinery: { type: 'string' } } as const;
  const { values, positionals } = parse('machine remove', args, options);
  const [name = ''] = machineNames('machine remove', positionals, 1);
  const { dir, conf: confDir } = homePaths(homeFolder(values.home));
  const conf = { confDir, texts: await readTexts(confDir), variables: confVariables(dir) };
  const machinery =
    values.machinery === undefined ? itsMachinery(conf, name) : oneMachinery(values.machinery, conf);
  const { file, text } = removeMachine(conf, machinery, name);
  await writeWhole(file, text);
  print(`${visible(file)} is without the machine ${name}; workers read it when they start`);
  return 0;
}

/** @throws USAGE when none has it, or several have */
function itsMachinery(conf: ConfFolder, name: string): MachineryName {
  const [kind, ...more] = machineryOf(conf, name);
  if (kind === undefined)
    throw new SandboxError(
      'USAGE',
      `machine remove: no file in ${conf.confDir} has a machine ${JSON.stringify(name)}`,
    );
  if (more.length === 0) return kind;
  const kinds = [kind, ...more].join(', ');
  throw new SandboxError(
    'USAGE',
    `machine remove: ${kinds} have a machine ${name} each; --machinery says which is meant`,
  );
}
