import { ProtocolError } from '#domain/errors.js';

/** QEMU's `-netdev stream`: every Ethernet frame is preceded by its length as uint32, big-endian. */
const PREFIX_BYTES = 4;

/** QEMU never sends more (NET_BUFSIZE in include/net/net.h: 4096 + 65536). */
export const MAX_FRAME_BYTES = 69_632;

/** Frames per write: large enough that a burst is one system call, small enough that several may be under way. */
const SLAB_BYTES = 256 * 1024;

/** Written but not taken by QEMU: above this, connections wait. */
const BUSY_BYTES = 1024 * 1024;

/** Above this, even what cannot wait (replies to a guest that does not read them) is dropped. */
const FULL_BYTES = 4 * 1024 * 1024;

/** A frame where it lies: [start, end) of `bytes`, valid until the callback returns. */
export type FrameHandler = (bytes: Buffer, view: DataView, start: number, end: number) => void;

/** Cuts QEMU's byte stream into frames; only a frame that crosses a chunk border is copied. */
export class FrameReader {
  private readonly carry = Buffer.allocUnsafeSlow(PREFIX_BYTES + MAX_FRAME_BYTES);
  private readonly carryView = viewOf(this.carry);
  private held = 0;

  constructor(private readonly onFrame: FrameHandler) {}

  /** @throws ProtocolError when the peer is not QEMU speaking this framing */
  push(chunk: Buffer): void {
    const view = viewOf(chunk);
    let at = this.held > 0 ? this.complete(chunk) : 0;
    while (chunk.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + checked(view.getUint32(at));
      if (end > chunk.length) break;
      this.onFrame(chunk, view, at + PREFIX_BYTES, end);
      at = end;
    }
    if (at < chunk.length) this.held += chunk.copy(this.carry, this.held, at);
  }

  /** Finishes the frame that an earlier chunk began. Returns how much of this chunk that took. */
  private complete(chunk: Buffer): number {
    let taken = this.hold(chunk, 0, PREFIX_BYTES);
    if (this.held < PREFIX_BYTES) return taken;
    const whole = PREFIX_BYTES + checked(this.carryView.getUint32(0));
    taken += this.hold(chunk, taken, whole);
    if (this.held < whole) return taken;
    this.held = 0;
    this.onFrame(this.carry, this.carryView, PREFIX_BYTES, whole);
    return taken;
  }

  private hold(chunk: Buffer, from: number, until: number): number {
    const missing = Math.min(Math.max(0, until - this.held), chunk.length - from);
    chunk.copy(this.carry, this.held, from, from + missing);
    this.held += missing;
    return missing;
  }
}

/**
 * Collects frames built in place and writes them to QEMU, many at a time. `write` must call `done` once the bytes may
 * be overwritten; `onRoom` tells that there may be room again for connections that met `busy`.
 */
export class FrameWriter {
  bytes: Buffer;
  view: DataView;
  private readonly spare: Buffer[] = [];
  private used = 0;
  private start = 0;
  private underWay = 0;
  private closed = false;

  constructor(
    private readonly write: (bytes: Buffer, done: () => void) => void,
    private readonly onRoom: () => void,
  ) {
    this.bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.view = viewOf(this.bytes);
  }

  /** Is QEMU behind? Then what can wait must wait. */
  get busy(): boolean {
    return this.underWay + this.used >= BUSY_BYTES;
  }

  /** Is QEMU so far behind that frames must be dropped? */
  get full(): boolean {
    return this.underWay + this.used >= FULL_BYTES;
  }

  /** Where the frame's first byte goes in `bytes`. Build it there, then call `end`. */
  begin(length: number): number {
    if (this.used + PREFIX_BYTES + length > SLAB_BYTES) this.flush();
    this.view.setUint32(this.used, length);
    this.start = this.used + PREFIX_BYTES;
    this.used = this.start + length;
    return this.start;
  }

  flush(): void {
    if (this.used === 0) return;
    const slab = this.bytes;
    const length = this.used;
    this.used = 0;
    this.bytes = this.spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.view = viewOf(this.bytes);
    if (this.closed) return;
    this.underWay += length;
    this.write(slab.subarray(0, length), () => {
      this.underWay -= length;
      if (this.spare.length < 4) this.spare.push(slab);
      if (!this.closed && !this.busy) this.onRoom();
    });
  }

  /** From now on frames go nowhere. */
  close(): void {
    this.closed = true;
  }
}

export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checked(length: number): number {
  if (length > MAX_FRAME_BYTES) throw new ProtocolError(`a frame of ${length} bytes`, 0);
  return length;
}
