import type { FakenetRecord } from '#domain/artifacts.js';

/** Records read; the fake internet has limits of its own below this. */
const MAX_RECORDS = 200_000;

const KINDS: ReadonlySet<string> = new Set(['dns', 'http', 'tls', 'tcp', 'udp', 'omitted']);

export interface FakenetLog {
  readonly records: FakenetRecord[];
  /** Lines that could not be read: a crash cut them. */
  readonly skipped: number;
  /** Requests that the fake internet answered and did not record any more. */
  readonly omitted: number;
}

/** Lines of fakenet.jsonl. The host writes them, so their shape is trusted; a line that a crash cut is not. */
export async function readFakenet(lines: AsyncIterable<string>): Promise<FakenetLog> {
  const records: FakenetRecord[] = [];
  let skipped = 0;
  let omitted = 0;
  for await (const line of lines) {
    const record = records.length < MAX_RECORDS ? parse(line) : null;
    if (record === null) skipped++;
    else if (record.kind === 'omitted') omitted += record.count;
    else records.push(record);
  }
  // Connections are recorded when they end; the report tells them from their beginning.
  records.sort((a, b) => a.time - b.time);
  return { records, skipped, omitted };
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
