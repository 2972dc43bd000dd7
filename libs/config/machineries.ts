import { splitList } from './field.js';

/** What can run machines, by the name in `[cuckoo] machinery` and `--machinery`. */
export const MACHINERIES = ['qemu', 'fake'] as const;
export type MachineryName = (typeof MACHINERIES)[number];

/** The names in a list such as `qemu,fake`, each once; or the first that is none of ours. */
export function machineryNames(text: string): { names: readonly MachineryName[] } | { unknown: string } {
  const names: MachineryName[] = [];
  for (const word of splitList(text)) {
    const name = MACHINERIES.find((known) => known === word);
    if (name === undefined) return { unknown: word };
    if (!names.includes(name)) names.push(name);
  }
  return names.length === 0 ? { unknown: text } : { names };
}
