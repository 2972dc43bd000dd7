/**
 * Finds the process id in the first documents of a behaviour log, for clients that send `BSON` without one (the Darwin
 * analyzer does). The `__process__` call carries it; the info document before says at which place of `args`.
 *
 * @see spec protocols.md §4.2, §4.5, §8.4.8
 */
export function processPid(log: Buffer): number | null {
  let names: readonly unknown[] | null = null;
  let index: unknown;
  for (let offset = 0; ;) {
    const size = offset + 4 <= log.length ? log.readInt32LE(offset) : 0;
    if (size < 5 || offset + size > log.length) return null;
    const document = elements(log.subarray(offset, offset + size));
    offset += size;
    if (!document) return null;
    if (document.get('type') === 'info' && document.get('name') === '__process__') {
      names = list(document.get('args'));
      index = document.get('I');
    } else if (names && !document.has('type') && document.get('I') === index) {
      const at = names.findIndex((name) => PID_NAMES.has(name));
      const pid = list(document.get('args'))?.[at];
      return typeof pid === 'number' && pid > 0 && pid <= 0xffffffff ? pid : null;
    }
  }
}

/** `__process__` comes first; more than this before it is not a behaviour log (Cuckoo's limit before 2.0.7). */
const MAX_BYTES_BEFORE_PID = 65_536;

/** Reads until the process id is known, or cannot be any more. Gives everything read, for the log itself. */
export async function readProcessPid(
  read: () => Promise<Buffer | null>,
): Promise<{ readonly pid: number | null; readonly start: Buffer }> {
  const parts: Buffer[] = [];
  let length = 0;
  for (let enough = 1; ;) {
    const chunk = await read();
    if (chunk) {
      parts.push(chunk);
      length += chunk.length;
    }
    // Looked at again only when twice as long: a guest trickling bytes must not cost n² work.
    if (chunk && length < enough) continue;
    enough = length * 2;
    const start = Buffer.concat(parts);
    const pid = processPid(start);
    if (pid !== null || chunk === null || length >= MAX_BYTES_BEFORE_PID) return { pid, start };
  }
}

/** Of the Cuckoo 2 monitor, its predecessors, and CAPE, 1.x and Darwin. */
const PID_NAMES: ReadonlySet<unknown> = new Set(['pid', 'process_identifier', 'ProcessIdentifier']);

const list = (value: unknown): readonly unknown[] | null =>
  value instanceof Map ? [...(value.values() as Iterable<unknown>)] : null;

/** Bytes of the types that have a fixed size: double, ObjectId, bool, date, null, int32, timestamp, int64. */
const FIXED: Readonly<Record<number, number>> = {
  0x01: 8,
  0x07: 12,
  0x08: 1,
  0x09: 8,
  0x0a: 0,
  0x10: 4,
  0x11: 8,
  0x12: 8,
};

/** Of one document: strings, numbers, and one level of arrays below; other values as undefined. Null when malformed. */
function elements(document: Buffer, depth = 0): Map<string, unknown> | null {
  const found = new Map<string, unknown>();
  const last = document.length - 1;
  for (let at = 4; at < last;) {
    const type = document[at] ?? 0;
    const zero = document.indexOf(0, at + 1);
    if (zero === -1 || zero >= last) return null;
    // Array keys are not reliable (the monitor repeats "0"): the place counts.
    const key = depth > 0 ? String(found.size) : document.toString('latin1', at + 1, zero);
    const from = zero + 1;
    const sized = FIXED[type] === undefined;
    if (sized && from + 4 > last) return null;
    const length = FIXED[type] ?? sizeOf(type, document.readInt32LE(from));
    if (length === null || from + length > last) return null;
    found.set(key, value(type, document.subarray(from, from + length), depth));
    at = from + length;
  }
  return found;
}

/** Bytes of an element whose first four say so: string, document, array, binary. */
function sizeOf(type: number, prefix: number): number | null {
  if (prefix < 0) return null;
  if (type === 0x02) return prefix + 4;
  if (type === 0x05) return prefix + 5;
  return (type === 0x03 || type === 0x04) && prefix >= 5 ? prefix : null;
}

function value(type: number, bytes: Buffer, depth: number): unknown {
  if (type === 0x02) return bytes.toString('latin1', 4, bytes.length - 1);
  if (type === 0x10) return bytes.readUInt32LE(0);
  if (type === 0x12) return Number(bytes.readBigInt64LE(0));
  // An argument is its name, or [name, type code].
  if (type === 0x04 && depth === 0) return elements(bytes, 1) ?? undefined;
  if (type === 0x04 && depth === 1) return elements(bytes, 2)?.get('0');
  return undefined;
}
