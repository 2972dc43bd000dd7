import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { parseRule } from './rule.js';
import { RuleError } from './rule-error.js';
import type { Rule, Signature } from './signature.js';

/**
 * The rules of one YAML file: one per document, documents separated by `---`.
 *
 * @throws RuleError
 */
export function parseRules(text: string, file: string): readonly Rule[] {
  return parseAllDocuments(text).map((document) => {
    const error = document.errors[0];
    if (error !== undefined)
      throw new RuleError({ file, rule: '', path: '' }, `is not YAML: ${error.message}`);
    return parseRule(document.toJS(), file);
  });
}

async function filesIn(folder: string, ending: RegExp): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => ending.test(name)).sort();
}

async function loadRules(folder: string): Promise<readonly Rule[]> {
  const files = await filesIn(folder, /^[^.]+\.ya?ml$/);
  const rules = await Promise.all(
    files.map(async (file) => parseRules(await readFile(join(folder, file), 'utf8'), file)),
  );
  return rules.flat();
}

async function loadCatalog(folder: string): Promise<readonly Signature[]> {
  const files = await filesIn(folder, /^[^.]+\.(js|ts)$/);
  const signatures: Signature[] = [];
  // One after the other: they share modules, which Jest's loader cannot link twice at a time.
  for (const file of files) {
    const module = (await import(pathToFileURL(join(folder, file)).href)) as { default: Signature };
    signatures.push(module.default);
  }
  return signatures;
}

/**
 * Everything in rules/ and catalog/ beside this file. Read once at start; pass the result to every matchSignatures.
 *
 * @throws RuleError when a rule is wrong or two signatures have one name
 */
export async function loadSignatures(folder: string = import.meta.dirname): Promise<readonly Signature[]> {
  const [rules, catalog] = await Promise.all([
    loadRules(join(folder, 'rules')),
    loadCatalog(join(folder, 'catalog')),
  ]);
  const signatures = [...rules, ...catalog];
  const names = new Set<string>();
  for (const { name } of signatures) {
    if (names.has(name))
      throw new RuleError({ file: folder, rule: name, path: 'name' }, 'is taken by another signature');
    names.add(name);
  }
  return signatures;
}
