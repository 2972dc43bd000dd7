import { z } from 'zod';
import { CommandError, ipJson, run } from './command.js';
import { leadEverywhere, routesBy, type Route } from './links.js';
import type { Line } from './routing.js';

/** Marks rules and routes as ours, for those who list them and for the rooter that finds them (ip-route(8), `protocol`). */
const PROTOCOL = '177';
/** Before main (32766), after local (0): what is this host's stays. */
const PRIORITY = '10077';

/** Sends what a guest forwards by a table of its line. @returns what takes it back */
export async function addRule(ip: string, table: string): Promise<() => Promise<void>> {
  const rule = ['from', ip, 'lookup', table, 'priority', PRIORITY, 'protocol', PROTOCOL];
  await run('ip', ['-4', 'rule', 'add', ...rule]);
  return async () => {
    await run('ip', ['-4', 'rule', 'del', ...rule]);
  };
}

/** Routing tables that are filled while a route needs them. */
export class FilledTables {
  readonly #held = new Map<string, { readonly ours: boolean; holders: number }>();

  async hold({ table, interface: out, autoRt }: Line): Promise<() => Promise<void>> {
    const held = this.#held.get(table) ?? { ours: autoRt && (await fill(table, out)), holders: 0 };
    held.holders += 1;
    this.#held.set(table, held);
    return async () => {
      held.holders -= 1;
      if (held.holders > 0) return;
      this.#held.delete(table);
      if (held.ours) await emptied(table);
    };
  }
}

/** Copies the main table's routes by an interface, unless the table leads everywhere already. Was anything copied? */
async function fill(table: string, out: string): Promise<boolean> {
  if (leadEverywhere(await routesBy(out, table))) return false;
  // Networks first: the gateways of the others are in them.
  const routes = [...(await routesBy(out, 'main'))].sort((a, b) => Number(isVia(a)) - Number(isVia(b)));
  for (const route of routes)
    await run('ip', ['-4', 'route', 'replace', ...words(route, out), 'table', table, 'protocol', PROTOCOL]);
  return true;
}

function isVia({ gateway }: Route): boolean {
  return gateway !== undefined;
}

function words({ dst, gateway, scope, prefsrc, flags = [] }: Route, out: string): readonly string[] {
  return [
    dst,
    ...(gateway === undefined ? [] : ['via', gateway]),
    'dev',
    out,
    ...(scope === undefined ? [] : ['scope', scope]),
    ...(prefsrc === undefined ? [] : ['src', prefsrc]),
    ...(flags.includes('onlink') ? ['onlink'] : []),
  ];
}

/** A table without routes is no table: that is no failure. */
async function emptied(table: string): Promise<void> {
  try {
    await run('ip', ['-4', 'route', 'flush', 'table', table, 'protocol', PROTOCOL]);
  } catch (error) {
    if (!(error instanceof CommandError && error.stderr.includes('does not exist'))) throw error;
  }
}

const rule = z.object({ src: z.string(), table: z.string().optional(), protocol: z.string().optional() });

/** Takes away what a rooter that was killed left. */
export async function sweepTables(configured: readonly string[]): Promise<void> {
  const rules = z.array(rule).parse(await ipJson(['-4', 'rule', 'show']));
  const ours = rules.filter(({ protocol }) => protocol === PROTOCOL);
  for (const { src, table = 'main' } of ours)
    await run('ip', [
      '-4',
      'rule',
      'del',
      'from',
      src,
      'lookup',
      table,
      'priority',
      PRIORITY,
      'protocol',
      PROTOCOL,
    ]);
  for (const table of new Set([...configured, ...ours.map(({ table: name = 'main' }) => name)]))
    await emptied(table);
}
