import { visible } from './text.js';

const INDENT = '  ';

/** What is known of one thing, a line each below its title (styled, safe); what is not known is left out. */
export function facts(
  title: string,
  known: readonly (readonly [name: string, value: string | null | undefined])[],
): string {
  const told = known.flatMap(([name, value]) =>
    value == null || value === '' ? [] : [[name, value] as const],
  );
  const size = told.reduce((longest, [name]) => Math.max(longest, name.length), 0);
  return [title, ...told.map(([name, value]) => `${INDENT}${name.padEnd(size)}  ${visible(value)}`)].join(
    '\n',
  );
}
