import { splitList } from './field.js';

/** What can run machines, by the name in `[cuckoo] machinery` and `--machinery`. */
export const MACHINERIES = ['qemu', 'kvm', 'virtualbox', 'fake'] as const;
export type MachineryName = (typeof MACHINERIES)[number];

/** Other names of theirs. */
const ALIASES: ReadonlyMap<string, MachineryName> = new Map([['libvirt', 'kvm']]);

/** The names in a list such as `qemu,fake`, each once; or the first that is none of ours. */
export function machineryNames(text: string): { names: readonly MachineryName[] } | { unknown: string } {
  const names: MachineryName[] = [];
  for (const word of splitList(text)) {
    const name = MACHINERIES.find((known) => known === word) ?? ALIASES.get(word);
    if (name === undefined) return { unknown: word };
    if (!names.includes(name)) names.push(name);
  }
  return names.length === 0 ? { unknown: text } : { names };
}
