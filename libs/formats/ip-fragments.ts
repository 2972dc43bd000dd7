import type { IpPacket } from './packet.js';

/** Packets put together at once; the oldest incomplete one is given up for a new one. */
const MAX_PACKETS = 64;
/** Largest IP payload. Bytes. */
const MAX_PAYLOAD = 65_535;
/** Real stacks cut to some thousand bytes; smaller pieces are an attack on whoever joins them. */
const MAX_PIECES = 128;

interface Partial {
  readonly pieces: { readonly offset: number; readonly bytes: Buffer }[];
  /** Known when the last piece was seen. */
  total: number | null;
}

/** Joins fragmented packets. The first piece at a place wins. */
export class FragmentJoiner {
  readonly #packets = new Map<string, Partial>();

  /** The whole packet when `packet` is one or completes one, else null. */
  add(packet: IpPacket): IpPacket | null {
    const { fragment } = packet;
    if (fragment === null) return packet;
    const key = `${packet.src} ${packet.dst} ${packet.protocol} ${fragment.id}`;
    const partial = this.#packets.get(key) ?? this.#begin(key);
    const end = fragment.offset + packet.payload.length;
    if (end > MAX_PAYLOAD || partial.pieces.length >= MAX_PIECES) {
      this.#packets.delete(key);
      return null;
    }
    partial.pieces.push({ offset: fragment.offset, bytes: Buffer.from(packet.payload) });
    if (!fragment.more) partial.total = end;
    const payload = join(partial);
    if (payload === null) return null;
    this.#packets.delete(key);
    return { ...packet, payload, fragment: null };
  }

  #begin(key: string): Partial {
    if (this.#packets.size >= MAX_PACKETS) {
      for (const oldest of this.#packets.keys()) {
        this.#packets.delete(oldest);
        break;
      }
    }
    const partial: Partial = { pieces: [], total: null };
    this.#packets.set(key, partial);
    return partial;
  }
}

function join({ pieces, total }: Partial): Buffer | null {
  if (total === null) return null;
  const sorted = pieces.toSorted((a, b) => a.offset - b.offset);
  const parts: Buffer[] = [];
  let at = 0;
  for (const { offset, bytes } of sorted) {
    if (offset > at) return null;
    const fresh = bytes.subarray(Math.min(bytes.length, at - offset));
    parts.push(fresh);
    at += fresh.length;
  }
  return at >= total ? Buffer.concat(parts).subarray(0, total) : null;
}
