import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkConf } from '#config/check.js';
import { applyFlat } from '#config/flat.js';
import { CONF_NAMES, defaultFile } from '#config/files.js';
import { Findings } from '#config/findings.js';
import { homePaths } from '#config/home.js';
import { readTexts } from '#config/layers.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../../conf-variables.js';
import { counted, showFindings } from '../conf/show-findings.js';
import { writeWhole } from '../conf/write-file.js';
import { homeFolder, noArguments, parse } from '../options.js';
import { print } from '../print.js';
import { visible } from '../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const options = { home: { type: 'string' }, conf: { type: 'string' } } as const;
  const { values, positionals } = parse('init', args, options);
  noArguments('init', positionals);
  const { dir, conf } = homePaths(homeFolder(values.home));
  const there = await readTexts(conf);
  const path = (name: string) => join(conf, `${name}.conf`);
  const files = new Map(CONF_NAMES.map((name) => [name, there.get(path(name)) ?? defaultFile(name)]));
  const flat = values.conf;
  const wanted = flat === undefined ? files : applyFlat(files, flat, await textOf(flat));

  const made = new Map([...wanted].map(([name, text]) => [path(name), text]));
  const findings = new Findings();
  checkConf(conf, new Map([...there, ...made]), findings, confVariables(dir));
  if (findings.problems.length > 0) {
    showFindings(findings);
    print(`nothing was written: ${counted(findings)}`);
    return 1;
  }
  for (const [file, text] of made) {
    const before = there.get(file);
    if (before === text) continue;
    await writeWhole(file, text);
    print(`${before === undefined ? 'wrote  ' : 'changed'} ${visible(file)}`);
  }
  showFindings(findings);
  return 0;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SandboxError('USAGE', `init: cannot read ${file}`, { cause });
  }
}
