import { unusedKeys, type Section } from './field.js';
import type { Findings } from './findings.js';
import { noteUnknown, readConf, type ConfSource } from './read-conf.js';

const NO_VOLATILITY = 'memory is kept, not examined with Volatility.';

/** Volatility's plugins: those that were on and whose findings were filtered, on and not, off and filtered, off and not. */
const PLUGINS = [
  {
    enabled: 'yes',
    filter: 'yes',
    names: [
      ...['malfind', 'dlllist', 'handles', 'ldrmodules', 'mutantscan', 'devicetree', 'svcscan', 'modscan'],
      ...['yarascan', 'ssdt', 'gdt'],
    ],
  },
  {
    enabled: 'yes',
    filter: 'no',
    names: ['pslist', 'psxview', 'callbacks', 'idt', 'timers', 'getsids', 'privs', 'sockscan', 'netscan'],
  },
  { enabled: 'no', filter: 'yes', names: ['apihooks'] },
  { enabled: 'no', filter: 'no', names: ['messagehooks'] },
];

/** conf/memory.conf. No key of it has an effect. */
export const MEMORY_CONF: Readonly<Record<string, Section>> = {
  basic: unusedKeys(NO_VOLATILITY, { guest_profile: 'WinXPSP2x86', delete_memdump: 'no' }),
  ...Object.fromEntries(
    PLUGINS.flatMap(({ names, enabled, filter }) =>
      names.map((name) => [name, unusedKeys(NO_VOLATILITY, { enabled, filter })]),
    ),
  ),
  mask: unusedKeys(NO_VOLATILITY, { enabled: 'no', pid_generic: '' }),
};

/** For what is written in it is to be told. */
export function checkMemoryConf(source: ConfSource, findings: Findings): void {
  const { others } = readConf(source, { schema: MEMORY_CONF }, findings);
  noteUnknown(MEMORY_CONF, others, findings);
}
