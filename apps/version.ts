import { existsSync, readFileSync } from 'node:fs';

/** This file is one folder below the project's, its built form in dist/ two. */
const [PACKAGE] = ['../package.json', '../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .filter((url) => existsSync(url));

/** Of this package: what workers say of themselves, and what the API compares that with. */
export const VERSION = versionIn(PACKAGE);

function versionIn(file: URL | undefined): string {
  if (file === undefined) throw new Error('the package.json of this program is not there');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
