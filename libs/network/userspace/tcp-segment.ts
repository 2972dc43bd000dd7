export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export const TCP_BYTES = 20;

/** A received segment where it lies. One object is used again for every segment: keep nothing of it. */
export interface Segment {
  sourcePort: number;
  destinationPort: number;
  /** Sequence numbers are signed 32-bit: compare them with `before` only. */
  seq: number;
  ack: number;
  flags: number;
  /** As on the wire, not scaled. */
  window: number;
  /** From the options; 0 when there was none. */
  mss: number;
  /** From the options; -1 when there was none. */
  scale: number;
  /** The payload is [start, end) of `bytes`. */
  bytes: Buffer;
  start: number;
  end: number;
}

/** A segment to be sent. The payload comes from a queue, so that it is copied once, into its frame. */
export interface Outgoing {
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  /** Bytes of payload and where they begin in the sender's queue. */
  readonly length: number;
  readonly offset: number;
  /** Only on SYN; scale -1 = do not offer scaling. */
  readonly mss?: number;
  readonly scale?: number;
}

export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** Reads header and options (RFC 9293 section 3.1, RFC 7323). False when malformed. */
export function parseSegment(view: DataView, start: number, end: number, into: Segment): boolean {
  if (end - start < TCP_BYTES) return false;
  const headerBytes = (view.getUint8(start + 12) >> 4) * 4;
  if (headerBytes < TCP_BYTES || start + headerBytes > end) return false;
  into.sourcePort = view.getUint16(start);
  into.destinationPort = view.getUint16(start + 2);
  into.seq = view.getInt32(start + 4);
  into.ack = view.getInt32(start + 8);
  into.flags = view.getUint8(start + 13);
  into.window = view.getUint16(start + 14);
  into.mss = 0;
  into.scale = -1;
  into.start = start + headerBytes;
  into.end = end;
  if ((into.flags & SYN) !== 0) parseOptions(view, start + TCP_BYTES, into.start, into);
  return true;
}

/** Options that run over the header's end are as good as absent. */
function parseOptions(view: DataView, start: number, end: number, into: Segment): void {
  for (let at = start; at < end;) {
    const kind = view.getUint8(at);
    if (kind === 0) return;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (length < 2 || at + length > end) return;
    if (kind === 2 && length === 4) into.mss = view.getUint16(at + 2);
    // RFC 7323 section 2.3: more than 14 counts as 14.
    if (kind === 3 && length === 3) into.scale = Math.min(14, view.getUint8(at + 2));
    at += length;
  }
}

export function optionBytes(segment: Outgoing): number {
  if (segment.mss === undefined) return 0;
  return segment.scale === undefined || segment.scale < 0 ? 4 : 8;
}

/** Writes header and options at `at`, the checksum left 0. Returns where the payload goes. */
export function writeSegment(
  view: DataView,
  at: number,
  ports: { readonly source: number; readonly destination: number },
  segment: Outgoing,
): number {
  const options = optionBytes(segment);
  view.setUint16(at, ports.source);
  view.setUint16(at + 2, ports.destination);
  view.setInt32(at + 4, segment.seq);
  view.setInt32(at + 8, segment.ack);
  view.setUint8(at + 12, ((TCP_BYTES + options) / 4) << 4);
  view.setUint8(at + 13, segment.flags);
  view.setUint16(at + 14, segment.window);
  view.setUint32(at + 16, 0);
  if (segment.mss !== undefined) {
    view.setUint16(at + 20, 0x0204);
    view.setUint16(at + 22, segment.mss);
    // No-operation, then window scale.
    if (options === 8) view.setUint32(at + 24, 0x01030300 | (segment.scale ?? 0));
  }
  return at + TCP_BYTES + options;
}
