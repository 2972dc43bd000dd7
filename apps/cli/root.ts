/** The project's folder: dist/apps/cli/root.js is three below it. */
export function projectRoot(): string {
  return new URL('../../../', import.meta.url).pathname;
}
