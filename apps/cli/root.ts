import { fileURLToPath } from 'node:url';

/** The project's folder: dist/apps/cli/root.js is three below it. */
export function projectRoot(): string {
  return fileURLToPath(new URL('../../../', import.meta.url));
}
