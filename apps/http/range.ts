/** First and last byte, both sent. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * What a `Range` header asks of `size` bytes. One range is answered; several, another unit, and text that is no range
 * are answered with the whole, as any server may.
 *
 * @returns null = the whole; `beyond` = nothing of it exists (416)
 * @see RFC 9110 section 14
 */
export function readRange(header: string | undefined, size: number): Range | 'beyond' | null {
  const parts = /^bytes=[ \t]*(\d{0,40})-(\d{0,40})[ \t]*$/i.exec(header ?? '');
  if (!parts) return null;
  const [first, last] = [parts[1] ?? '', parts[2] ?? ''];
  if (first === '') return readSuffix(last, size);
  if (last !== '' && Number(last) < Number(first)) return null;
  if (Number(first) >= size) return 'beyond';
  return { first: Number(first), last: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** `-500`: the last 500 bytes. */
function readSuffix(length: string, size: number): Range | 'beyond' | null {
  if (length === '') return null;
  if (Number(length) === 0) return 'beyond';
  // Content-Range cannot name a part of nothing.
  if (size === 0) return null;
  return { first: Math.max(0, size - Number(length)), last: size - 1 };
}

/** Whether `If-Range` still holds: a part of what has changed since would be joined with a part of something else. */
export function rangeHolds(
  header: string | readonly string[] | undefined,
  { etag, modified }: { readonly etag: string; readonly modified: Date | null },
): boolean {
  return header === undefined || header === etag || header === modified?.toUTCString();
}

/** Whether the client has it already, by `If-None-Match`. */
export function isKnown(header: string | undefined, etag: string): boolean {
  const tags = (header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}
