import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { IniText, Variables } from './ini.js';
import type { ConfSource } from './read-conf.js';

/**
 * The file `<name>.conf` of a folder and what CAPE lays over and under it; later ones win:
 *
 *     conf/default/<name>.conf.default, conf/<name>.conf, conf/<name>.conf.d/*.conf,
 *     custom/conf/<name>.conf, custom/conf/<name>.conf.d/*.conf
 *
 * @throws CONFIG_INVALID when one is there and cannot be read
 */
export async function readSource(confDir: string, name: string, variables?: Variables): Promise<ConfSource> {
  const file = join(confDir, `${name}.conf`);
  const custom = join(dirname(confDir), 'custom', 'conf', `${name}.conf`);
  const shipped = await readIfThere(join(confDir, 'default', `${name}.conf.default`));
  const own = [file, ...(await parts(file)), custom, ...(await parts(custom))];
  const layers = [
    ...shipped.map((layer) => ({ ...layer, shipped: true })),
    ...(await Promise.all(own.map(readIfThere))).flat(),
  ];
  return { file, layers, ...(variables && { variables }) };
}

/** The files of `<name>.conf.d`, in the order of their names. */
async function parts(file: string): Promise<readonly string[]> {
  const folder = `${file}.d`;
  const names = await orAbsent(folder, readdir(folder), []);
  return names
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .map((name) => join(folder, name));
}

async function readIfThere(file: string): Promise<readonly IniText[]> {
  const text = await orAbsent(file, readFile(file, 'utf8'), null);
  return text === null ? [] : [{ file, text }];
}

async function orAbsent<T, A>(path: string, reading: Promise<T>, absent: A): Promise<T | A> {
  try {
    return await reading;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw new SandboxError('CONFIG_INVALID', `${path} cannot be read`, { cause });
  }
}
