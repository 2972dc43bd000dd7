import { basename, dirname, join, relative, resolve } from 'node:path';
import { checkConf } from '#config/check.js';
import { distributedSettings } from '#config/distributed-conf.js';
import { missingKeys, words } from '#config/distributed-settings.js';
import { CONF_NAMES } from '#config/files.js';
import { Findings } from '#config/findings.js';
import { homePaths } from '#config/home.js';
import type { Variables } from '#config/ini.js';
import { customFolder, layersOf, readTexts, type ConfTexts } from '#config/layers.js';
import { leaveOthers, migrate, WITH_OWN_PLACES } from '#config/migrate.js';
import { SandboxError } from '#domain/errors.js';
import { confVariables } from '../../../conf-variables.js';
import { confFolder } from '../../conf/folder.js';
import { counted, showFindings } from '../../conf/show-findings.js';
import { backUp, writeWhole } from '../../conf/write-file.js';
import { homeFolder, parse } from '../../options.js';
import { print } from '../../print.js';
import { visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const options = { home: { type: 'string' }, force: { type: 'boolean' } } as const;
  const { values, positionals } = parse('config import', args, options);
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0)
    throw new SandboxError('USAGE', 'config import: name the one folder of Cuckoo or CAPE to take it from');
  const from = await confFolder('config import', path);
  const { dir, conf: to } = homePaths(homeFolder(values.home));
  if (from === resolve(to)) throw new SandboxError('USAGE', `config import: ${from} is the home's own`);
  const { made, changes, left } = imported(from, to, await readTexts(from));
  if (made.size === 0)
    throw new SandboxError('USAGE', `config import: ${from} has no .conf file that is read here`);

  const there = await readTexts(to);
  const replaced = [...made].filter(([file, text]) => (there.get(file) ?? text) !== text);
  if (replaced.length > 0 && values.force !== true) {
    const names = replaced.map(([file]) => file).join(', ');
    throw new SandboxError(
      'USAGE',
      `config import: ${names} would be replaced; --force does, and keeps a copy`,
    );
  }
  for (const [file] of replaced) print(`kept    ${visible(await backUp(file))}`);
  for (const [file, text] of made) {
    if (there.get(file) !== text) await writeWhole(file, text);
    print(`wrote   ${visible(file)}`);
  }
  for (const change of changes) print(`changed ${visible(change)}`);
  for (const file of left) print(`left    ${visible(file)}: nothing here reads it`);

  const all: ConfTexts = new Map([...there, ...made]);
  const variables = confVariables(dir);
  const findings = new Findings();
  checkConf(to, all, findings, variables);
  showFindings(findings);
  if ([...made.keys()].some((file) => /\/distributed\.conf/.test(file))) tellMissing(to, all, variables);
  print(`${visible(to)}: ${counted(findings)}`);
  return findings.problems.length === 0 ? 0 : 1;
}

/** What `malkoha distributed` will not start without: folders of the other sandbox do not come over. */
function tellMissing(to: string, texts: ConfTexts, variables: Variables): void {
  const source = layersOf(to, 'distributed', texts, variables);
  const keys = missingKeys(distributedSettings(source, new Findings()));
  if (keys.length > 0)
    print(`to set  ${visible(source.file)}: [distributed] needs ${words(keys)} before it starts`);
}

/** The files as they will be in the home, by their paths there. */
function imported(from: string, to: string, texts: ConfTexts) {
  const own = new Map<string, string>();
  for (const [file, text] of texts) {
    const name = /^([a-z]+)\.conf$/.exec(relative(from, file))?.[1];
    if (name !== undefined) own.set(name, text);
  }
  const { files, changes } = migrate(own);
  const known = CONF_NAMES.flatMap((name) => layersOf(from, name, texts).layers.map(({ file }) => file));
  const made = new Map<string, string>();
  const others: string[] = [];
  for (const file of known) {
    const text = texts.get(file);
    const custom = relative(customFolder(from), file);
    const target = custom.startsWith('..') ? join(to, relative(from, file)) : join(customFolder(to), custom);
    if (text === undefined) continue;
    const layer = WITH_OWN_PLACES.some(
      (name) =>
        file !== join(from, `${name}.conf`) &&
        (basename(file).startsWith(`${name}.conf`) || dirname(file).endsWith(`${name}.conf.d`)),
    );
    if (layer) {
      const left = leaveOthers(text);
      made.set(target, left.text);
      others.push(...left.changes.map((change) => `${relative(to, target)}: ${change}`));
    } else made.set(target, text);
  }
  for (const name of CONF_NAMES) {
    const text = files.get(name);
    if (text !== undefined) made.set(join(to, `${name}.conf`), text);
  }
  const taken = new Set([...known, join(from, 'vpn.conf')]);
  const left = [...texts.keys()].filter(
    (file) => !taken.has(file) && dirname(file) !== join(from, 'default'),
  );
  return { made, changes: [...changes, ...others], left };
}
