import { parseBool } from '#config/field.js';
import { formatOptions, parseOptions } from '#domain/task.js';

/** The one value of a switch that changes anything: any word that says so becomes it, any that says the opposite is dropped. */
const SWITCHES = [
  { name: 'free', when: true, written: 'yes' },
  { name: 'human', when: false, written: '0' },
  { name: 'remotecontrol', when: true, written: 'yes' },
] as const;

/**
 * Options of create/submit as its tasks have them: `procmemdump=yes` unless it says otherwise, and the switches in
 * the words that analyzers know (`free=1` → `free=yes`, `human=no` → `human=0`). `more` wins.
 */
export function submitOptions(
  options: string | null,
  more: Readonly<Record<string, string>> = {},
): string | null {
  const all = new Map([['procmemdump', 'yes'], ...parseOptions(options)]);
  for (const { name, when, written } of SWITCHES) {
    const said = parseBool(all.get(name) ?? '');
    if (said === undefined) continue;
    if (said === when) all.set(name, written);
    else all.delete(name);
  }
  if (all.get('route') === '') all.delete('route');
  for (const [name, value] of Object.entries(more)) all.set(name, value);
  return formatOptions(all);
}
