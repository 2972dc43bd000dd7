import { readFile, writeFile } from 'node:fs/promises';
import { beforeElement, quoted, TABLE, type Before, type SysctlKey } from './base-rules.js';
import { nft } from './kernel.js';

/** Loose: a source must be reachable, by whatever interface. */
const LOOSE = 2;
const STRICT = 1;

/** Settings of interfaces while routes need them; the last route gives them back as they were. */
export class Sysctls {
  readonly #held = new Map<string, { readonly before: Before | null; holders: number }>();

  /** What those that are changed now were before. */
  get before(): readonly Before[] {
    return [...this.#held.values()].flatMap(({ before }) => before ?? []);
  }

  /** Lets packets that arrive by an interface be forwarded. @returns what gives it back */
  async forwarding(name: string): Promise<() => Promise<void>> {
    return this.#hold(name, 'forwarding', async () => ((await read(name, 'forwarding')) === 0 ? 1 : null));
  }

  /** A strict check of sources drops what comes back by a line that the main table does not lead out of. */
  async looseSources(name: string): Promise<() => Promise<void>> {
    return this.#hold(name, 'rp_filter', async () => {
      const effective = Math.max(await read('all', 'rp_filter'), await read(name, 'rp_filter'));
      return effective === STRICT ? LOOSE : null;
    });
  }

  async #hold(
    name: string,
    key: SysctlKey,
    needed: () => Promise<number | null>,
  ): Promise<() => Promise<void>> {
    const id = `${key} ${name}`;
    const held = this.#held.get(id) ?? { before: await change(name, key, await needed()), holders: 0 };
    held.holders += 1;
    this.#held.set(id, held);
    return async () => {
      held.holders -= 1;
      if (held.holders > 0) return;
      this.#held.delete(id);
      if (held.before !== null) await giveBack(held.before);
    };
  }
}

/** Writes down in the kernel what was, then changes it: a rooter that is killed leaves enough to give it back. */
async function change(name: string, key: SysctlKey, value: number | null): Promise<Before | null> {
  if (value === null) return null;
  const before = { interface: name, key, value: await read(name, key) };
  await nft(`add element inet ${TABLE} before { ${beforeElement(before)} }\n${lent('add', before)}`);
  await write(name, key, value);
  return before;
}

/** An interface that is gone took its settings along. */
export async function giveBack(before: Before): Promise<void> {
  try {
    await write(before.interface, before.key, before.value);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await nft(`delete element inet ${TABLE} before { ${beforeElement(before)} }\n${lent('delete', before)}`);
}

/** What arrives there is forwarded to guests only. */
function lent(verb: 'add' | 'delete', { interface: name, key }: Before): string {
  return key === 'forwarding' ? `${verb} element inet ${TABLE} lent { ${quoted(name)} }\n` : '';
}

async function read(name: string, key: SysctlKey): Promise<number> {
  return Number(await readFile(path(name, key), 'utf8'));
}

async function write(name: string, key: SysctlKey, value: number): Promise<void> {
  await writeFile(path(name, key), String(value), { flag: 'r+' });
}

function path(name: string, key: SysctlKey): string {
  return `/proc/sys/net/ipv4/conf/${name}/${key}`;
}
