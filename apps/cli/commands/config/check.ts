import { checkConf } from '#config/check.js';
import { Findings } from '#config/findings.js';
import { homePaths } from '#config/home.js';
import { readTexts } from '#config/layers.js';
import { SandboxError } from '#domain/errors.js';
import { dirname } from 'node:path';
import { confVariables } from '../../../conf-variables.js';
import { confFolder } from '../../conf/folder.js';
import { counted, findingsJson, showFindings } from '../../conf/show-findings.js';
import { homeFolder, parse } from '../../options.js';
import { print, printJson } from '../../print.js';
import { visible } from '../../text.js';

export async function run(args: readonly string[]): Promise<number> {
  const options = { home: { type: 'string' }, json: { type: 'boolean' } } as const;
  const { values, positionals } = parse('config check', args, options);
  const [path, ...more] = positionals;
  if (more.length > 0 || (path !== undefined && values.home !== undefined))
    throw new SandboxError('USAGE', 'config check: name one folder, or a home by --home');
  const confDir =
    path === undefined ? homePaths(homeFolder(values.home)).conf : await confFolder('config check', path);
  const texts = await readTexts(confDir);
  const findings = new Findings();
  checkConf(confDir, texts, findings, confVariables(dirname(confDir)));
  if (values.json === true)
    printJson({ folder: confDir, files: [...texts.keys()], ...findingsJson(findings) });
  else {
    showFindings(findings);
    const files = texts.size === 1 ? '1 file' : `${texts.size} files`;
    print(`${files} in ${visible(confDir)}: ${counted(findings)}`);
  }
  return findings.problems.length === 0 ? 0 : 1;
}
