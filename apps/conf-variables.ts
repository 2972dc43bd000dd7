/**
 * What `%(NAME)s` in .conf files stands for: the environment's CUCKOO_* as Cuckoo had it, with CUCKOO_CWD for the home folder,
 * and all of it as `ENV:NAME` as CAPE has it. Names in upper case: Python looked them up in any case.
 */
export function confVariables(home: string): ReadonlyMap<string, string> {
  const set = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined ? [] : [[name.toUpperCase(), value] as const],
  );
  return new Map([
    ['CUCKOO_CWD', home],
    ['CUCKOO_APP', ''],
    ...set.filter(([name]) => name.startsWith('CUCKOO_')),
    ...set.map(([name, value]) => [`ENV:${name}`, value] as const),
  ]);
}
