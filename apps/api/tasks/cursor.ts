import type { ListPlace } from '#storage/task-details.js';

/** A place in a list as clients carry it: opaque to them, safe in a query. */
export function formatCursor({ id, completedOn }: ListPlace): string {
  return Buffer.from(`${id}@${completedOn ?? ''}`).toString('base64url');
}

/** Null for text that is no cursor of ours. */
export function parseCursor(text: string): ListPlace | null {
  const decoded = Buffer.from(text, 'base64url').toString();
  const parts = /^(\d{1,10})@(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})?$/.exec(decoded);
  return parts && { id: Number(parts[1]), completedOn: parts[2] ?? null };
}
