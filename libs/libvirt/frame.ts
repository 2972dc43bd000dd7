import { LibvirtProtocolError } from './error.js';

/** Longest frame of the protocol: 16 MiB of message and the length (VIR_NET_MESSAGE_MAX, VIR_NET_MESSAGE_LEN_MAX). */
export const MAX_FRAME = 16 * 1024 * 1024 + 4;

/** Length and six words of header. */
const HEADER = 28;

const VERSION = 1;

export const PROGRAM = { remote: 0x20008086, qemu: 0x20008087, keepalive: 0x6b656570 } as const;

export const TYPE = { call: 0, reply: 1, message: 2, stream: 3 } as const;

/** `more`: the frame carries data of a stream, or none at its end. */
export const STATUS = { ok: 0, error: 1, more: 2 } as const;

export interface Frame {
  readonly program: number;
  readonly procedure: number;
  readonly type: number;
  /** The same for a call, its reply and its stream; 0 for what nobody asked for. */
  readonly serial: number;
  readonly status: number;
  /** XDR, or bytes of a stream. */
  readonly body: Buffer;
}

/**
 * uint32 length of all this, then program, version, procedure, type, serial, status (uint32 each), then the body.
 *
 * @see https://gitlab.com/libvirt/libvirt/-/blob/master/src/rpc/virnetprotocol.x
 */
export function encodeFrame({ program, procedure, type, serial, status, body }: Frame): Buffer {
  const length = HEADER + body.length;
  if (length > MAX_FRAME) throw new RangeError(`libvirt takes messages of ${MAX_FRAME} bytes, not ${length}`);
  const bytes = Buffer.allocUnsafe(length);
  [length, program, VERSION, procedure, type, serial, status].forEach((word, at) =>
    bytes.writeUInt32BE(word, at * 4),
  );
  body.copy(bytes, HEADER);
  return bytes;
}

/** Cuts a byte stream into frames; where its chunks end means nothing. */
export class FrameSplitter {
  #rest = Buffer.alloc(0);
  #filled = 0;

  /** @throws LibvirtProtocolError on what no frame begins with; the stream is then of no use any more */
  push(chunk: Buffer): readonly Frame[] {
    const bytes = this.#joined(chunk);
    const frames: Frame[] = [];
    let offset = 0;
    while (bytes.length - offset >= 4) {
      const length = bytes.readUInt32BE(offset);
      if (length < HEADER || length > MAX_FRAME) {
        throw new LibvirtProtocolError(`a frame of ${length} bytes; ${HEADER} to ${MAX_FRAME} are accepted`);
      }
      if (bytes.length - offset < length) break;
      frames.push(decode(bytes.subarray(offset, offset + length)));
      offset += length;
    }
    this.#keep(bytes.subarray(offset));
    return frames;
  }

  #joined(chunk: Buffer): Buffer {
    if (this.#filled === 0) return chunk;
    const needed = this.#filled + chunk.length;
    if (needed > this.#rest.length) {
      // Twice as much at least: a server trickling bytes must not cost us O(n²) copies.
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#rest.length));
      this.#rest.copy(larger, 0, 0, this.#filled);
      this.#rest = larger;
    }
    chunk.copy(this.#rest, this.#filled);
    this.#filled = needed;
    return this.#rest.subarray(0, needed);
  }

  /** Frames handed out are views: what is kept must not be written over them. */
  #keep(rest: Buffer): void {
    if (this.#filled > 0 && rest.length === this.#filled) return; // nothing was cut off
    this.#rest = Buffer.from(rest);
    this.#filled = rest.length;
  }
}

function decode(bytes: Buffer): Frame {
  const word = (at: number) => bytes.readUInt32BE(at * 4);
  if (word(2) !== VERSION)
    throw new LibvirtProtocolError(`a frame of protocol version ${word(2)}, not ${VERSION}`);
  return {
    program: word(1),
    procedure: word(3),
    type: word(4),
    serial: word(5),
    status: word(6),
    body: bytes.subarray(HEADER),
  };
}
