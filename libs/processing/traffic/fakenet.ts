import type { FakenetRecord } from '#domain/artifacts.js';

/** Records read; the fake internet has limits of its own below this. */
const MAX_RECORDS = 200_000;

const KINDS: ReadonlySet<string> = new Set(['dns', 'http', 'tls', 'tcp', 'udp']);

/**
 * Lines of fakenet.jsonl. The host writes them, so their shape is trusted; a line that a crash cut is not.
 * `skipped` counts those.
 */
export async function readFakenet(
  lines: AsyncIterable<string>,
): Promise<{ records: FakenetRecord[]; skipped: number }> {
  const records: FakenetRecord[] = [];
  let skipped = 0;
  for await (const line of lines) {
    const record = records.length < MAX_RECORDS ? parse(line) : null;
    if (record === null) skipped++;
    else records.push(record);
  }
  // Connections are recorded when they end; the report tells them from their beginning.
  records.sort((a, b) => a.time - b.time);
  return { records, skipped };
}

function parse(line: string): FakenetRecord | null {
  try {
    const value: unknown = JSON.parse(line);
    const known =
      typeof value === 'object' && value !== null && 'kind' in value && KINDS.has(String(value.kind));
    return known ? (value as FakenetRecord) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
