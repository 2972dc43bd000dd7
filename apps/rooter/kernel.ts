import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { baseRules, KEYS, TABLE, type Base, type Before, type SysctlKey } from './base-rules.js';
import { CommandError, run } from './command.js';

/** One atomic change of the kernel's rules. */
export async function nft(script: string): Promise<void> {
  await run('nft', ['-f', '-'], script);
}

/** What `nft -j` lists of a table of ours, or null when it is not there. */
async function listing(
  family: 'inet' | 'bridge',
  what: readonly string[],
): Promise<readonly unknown[] | null> {
  try {
    const [kind = '', ...name] = what;
    const text = await run('nft', ['-j', 'list', kind, family, TABLE, ...name]);
    return z.object({ nftables: z.array(z.unknown()) }).parse(JSON.parse(text)).nftables;
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('No such file or directory')) return null;
    throw error;
  }
}

/** Are both of our tables there, and this process's? */
export async function haveTables(): Promise<boolean> {
  const [inet, bridge] = [await found(), await listing('bridge', ['table'])];
  return inet?.owner?.pid === process.pid && bridge !== null;
}

const counter = z.object({ counter: z.object({ packets: z.int(), bytes: z.int() }) });

export async function readCounter(name: string): Promise<{ packets: number; bytes: number }> {
  const found = (await listing('inet', ['counter', name]))?.find((item) => counter.safeParse(item).success);
  return counter.parse(found).counter;
}

const owner = z.object({
  map: z.object({ name: z.literal('owner'), elem: z.tuple([z.tuple([z.int(), z.int()])]) }),
});
const before = z.object({
  map: z.object({
    name: z.literal('before'),
    elem: z.array(z.tuple([z.object({ concat: z.tuple([z.string(), z.int()]) }), z.int()])).default([]),
  }),
});

/** What a rooter left, or has: whose the tables are, and the values it changed. Null when there are none. */
export async function found(): Promise<{ owner: Base['owner'] | null; before: readonly Before[] } | null> {
  const all = await listing('inet', ['table']);
  if (all === null) return null;
  const owned = all.map((item) => owner.safeParse(item).data?.map.elem[0]).find((pair) => pair !== undefined);
  const changed = all.flatMap((item) => before.safeParse(item).data?.map.elem ?? []);
  return {
    owner: owned === undefined ? null : { pid: owned[0], start: owned[1] },
    before: changed.flatMap(([{ concat }, value]) => {
      const key = (Object.keys(KEYS) as SysctlKey[]).find((one) => KEYS[one] === concat[1]);
      return key === undefined ? [] : [{ interface: concat[0], key, value }];
    }),
  };
}

/** Makes the tables anew: only the bases that nothing is allowed on. */
export async function makeTables(base: Omit<Base, 'bridgeNames'>): Promise<void> {
  await nft(baseRules({ ...base, bridgeNames: base.interfaces.length > 0 && (await knowsBridgeNames()) }));
}

export async function removeTables(): Promise<void> {
  await nft(
    ['inet', 'bridge']
      .map((family) => `table ${family} ${TABLE} {}\ndelete table ${family} ${TABLE}\n`)
      .join(''),
  );
}

/** Only tried, not applied: kernels without NFT_BRIDGE_META refuse it. */
async function knowsBridgeNames(): Promise<boolean> {
  const script =
    'table bridge malkoha_try {\n chain b_try {\n type filter hook forward priority 0; policy accept;\n meta ibrname "br0" drop\n }\n}\n';
  try {
    await run('nft', ['-c', '-f', '-'], script);
    return true;
  } catch (error) {
    if (error instanceof CommandError && /not supported|syntax error/.test(error.stderr)) return false;
    throw error;
  }
}

const START_FIELD = 22;
const MARKS = 2 ** 32;

/** When a process was started, in clock ticks since boot modulo 2³²; null when there is none. A pid alone may be another's. */
export async function startOf(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Its name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[START_FIELD - 3]) % MARKS;
  } catch {
    return null;
  }
}
