import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The look of every page of ours. */
export function readStyle(): Promise<string> {
  return readFile(join(import.meta.dirname, '..', 'assets', 'report.css'), 'utf8');
}

/** No script, no request, no style but ours: whatever text slipped through could still do nothing. */
export function contentPolicy(style: string): string {
  const hash = createHash('sha256').update(style).digest('base64');
  return `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
}
