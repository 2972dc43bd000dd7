import { SandboxError } from '#domain/errors.js';
import { setKey } from './edit.js';
import type { ConfName } from './files.js';
import { hint } from './read-conf.js';

/**
 * Sets keys in many files at once, by lines `file.section.key = value` as `cuckoo init --conf` took them; `#` begins a
 * comment. A section may be a machine's.
 *
 * @throws BAD_REQUEST naming `source` and the line
 */
export function applyFlat(
  files: ReadonlyMap<ConfName, string>,
  source: string,
  text: string,
): ReadonlyMap<ConfName, string> {
  const made = new Map(files);
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const content = line.trim();
    if (content === '' || /^[#;]/.test(content)) continue;
    const refuse = (why: string) => new SandboxError('BAD_REQUEST', `${source}:${index + 1}: ${why}`);
    const [, name, section, key, value] = /^([a-z]+)\.(.+)\.([\w-]+)\s*=\s*(.*)$/.exec(content) ?? [];
    if (name === undefined || section === undefined || key === undefined || value === undefined)
      throw refuse('expected file.section.key = value');
    const known = [...made.keys()];
    const file = known.find((one) => one === name);
    if (file === undefined) throw refuse(`there is no ${name}.conf${hint(name, known)}`);
    try {
      made.set(file, setKey(made.get(file) ?? '', section, key, value));
    } catch (error) {
      throw error instanceof SandboxError ? refuse(error.message) : error;
    }
  }
  return made;
}
