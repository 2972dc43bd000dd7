import { ProtocolError } from '#domain/errors.js';

/** QEMU's `-netdev stream`: every Ethernet frame is preceded by its length as uint32, big-endian. */
const PREFIX_BYTES = 4;

/** QEMU never sends more (NET_BUFSIZE in include/net/net.h: 4096 + 65536). */
export const MAX_FRAME_BYTES = 69_632;

/** Frames per write: large enough that a burst is one system call, small enough that several may be under way. */
const SLAB_BYTES = 256 * 1024;

const MAX_SPARE = 4;

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

interface Slab {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Writes of parts of it that are not done. */
  writes: number;
}

/**
 * Collects frames built in place and writes them to QEMU, many at a time. `write` must call `done` once the bytes may
 * be overwritten; `onRoom` tells that there may be room again for connections that met `busy`.
 */
export class FrameWriter {
  private slab = newSlab();
  private readonly spare: Slab[] = [];
  /** [0, flushed) of the slab is written or under way, [flushed, used) waits for the flush. */
  private flushed = 0;
  private used = 0;
  private underWay = 0;
  private closed = false;

  constructor(
    private readonly write: (bytes: Buffer, done: () => void) => void,
    private readonly onRoom: () => void,
  ) {}

  /** Where frames are built; another one after every `begin`. */
  get bytes(): Buffer {
    return this.slab.bytes;
  }

  get view(): DataView {
    return this.slab.view;
  }

  /** Is QEMU behind? Then what can wait must wait. */
  get busy(): boolean {
    return this.underWay + this.used - this.flushed >= BUSY_BYTES;
  }

  /** Is QEMU so far behind that frames must be dropped? */
  get full(): boolean {
    return this.underWay + this.used - this.flushed >= FULL_BYTES;
  }

  /** Where the frame's first byte goes in `bytes`. All of `length` must then be written. */
  begin(length: number): number {
    if (this.used + PREFIX_BYTES + length > SLAB_BYTES) {
      this.flush();
      this.slab = this.spare.pop() ?? newSlab();
      this.flushed = this.used = 0;
    }
    this.slab.view.setUint32(this.used, length);
    const start = this.used + PREFIX_BYTES;
    this.used = start + length;
    return start;
  }

  flush(): void {
    const { slab } = this;
    const length = this.used - this.flushed;
    if (length === 0) return;
    const part = slab.bytes.subarray(this.flushed, this.used);
    this.flushed = this.used;
    if (this.closed) return;
    this.underWay += length;
    slab.writes++;
    this.write(part, () => this.written(slab, length));
  }

  /** From now on frames go nowhere. */
  close(): void {
    this.closed = true;
  }

  private written(slab: Slab, length: number): void {
    this.underWay -= length;
    slab.writes--;
    if (slab.writes === 0) {
      if (slab !== this.slab) {
        if (this.spare.length < MAX_SPARE) this.spare.push(slab);
      } else if (this.flushed === this.used) this.flushed = this.used = 0;
    }
    if (!this.closed && !this.busy) this.onRoom();
  }
}

function newSlab(): Slab {
  const bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  return { bytes, view: viewOf(bytes), writes: 0 };
}

export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checked(length: number): number {
  if (length > MAX_FRAME_BYTES) throw new ProtocolError(`a frame of ${length} bytes`, 0);
  return length;
}
