import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { IniText, Variables } from './ini.js';
import type { ConfSource } from './read-conf.js';

/** The .conf files of a home folder: absolute path → text. */
export type ConfTexts = ReadonlyMap<string, string>;

/** The folder of what an operator lays over conf/, as CAPE has it. */
export function customFolder(confDir: string): string {
  return join(dirname(confDir), 'custom', 'conf');
}

/**
 * Every file that may be a layer of the configuration in `confDir`; none when the folder is not there.
 *
 * @throws CONFIG_INVALID when one is there and cannot be read
 */
export async function readTexts(confDir: string): Promise<ConfTexts> {
  const folders = [confDir, join(confDir, 'default'), customFolder(confDir)];
  const found = (await Promise.all(folders.map(listed))).flat();
  const parts = await Promise.all(found.filter((path) => path.endsWith('.conf.d')).map(listed));
  const files = [...found, ...parts.flat()].filter(
    (path) => path.endsWith('.conf') || path.endsWith('.conf.default'),
  );
  const texts = await Promise.all(files.map(readIfThere));
  return new Map(files.flatMap((file, at) => (texts[at] == null ? [] : [[file, texts[at]] as const])));
}

/**
 * `<name>.conf` with what CAPE lays over and under it; later ones win:
 *
 *     conf/default/<name>.conf.default, conf/<name>.conf, conf/<name>.conf.d/*.conf,
 *     custom/conf/<name>.conf, custom/conf/<name>.conf.d/*.conf
 */
export function layersOf(confDir: string, name: string, texts: ConfTexts, variables?: Variables): ConfSource {
  const file = join(confDir, `${name}.conf`);
  const custom = join(customFolder(confDir), `${name}.conf`);
  const shipped = join(confDir, 'default', `${name}.conf.default`);
  const paths = [shipped, file, ...parts(file, texts), custom, ...parts(custom, texts)];
  const layers = paths.flatMap((path): IniText[] => {
    const text = texts.get(path);
    return text === undefined ? [] : [{ file: path, text, shipped: path === shipped }];
  });
  return { file, layers, ...(variables && { variables }) };
}

/** The files of `<name>.conf.d`, in the order of their names. */
function parts(file: string, texts: ConfTexts): readonly string[] {
  return [...texts.keys()]
    .filter((path) => dirname(path) === `${file}.d` && basename(path).endsWith('.conf'))
    .sort();
}

async function listed(folder: string): Promise<readonly string[]> {
  const names = await orAbsent(folder, readdir(folder));
  return (names ?? []).map((name) => join(folder, name));
}

function readIfThere(file: string): Promise<string | null> {
  return orAbsent(file, readFile(file, 'utf8'));
}

async function orAbsent<T>(path: string, reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new SandboxError('CONFIG_INVALID', `${path} cannot be read`, { cause });
  }
}
