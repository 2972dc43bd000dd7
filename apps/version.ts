import { readFileSync } from 'node:fs';

/** Of the package: workers and APIs of one lab compare theirs. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../package.json', packageFolder()), 'utf8')) as { version: string }
).version;

/** Built files lie one folder deeper than their sources. */
function packageFolder(): URL {
  const here = new URL('.', import.meta.url);
  return here.pathname.endsWith('/dist/apps/') ? new URL('..', here) : here;
}
