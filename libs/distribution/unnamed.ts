/** What went wrong at a node, for a sentence that names it already: without `node <name>: ` in front, as NodeError begins. */
export function unnamed(name: string, why: string): string {
  const prefix = `node ${name}: `;
  return why.startsWith(prefix) ? why.slice(prefix.length) : why;
}
