export const NTP_PORT = 123;

const NTP_BYTES = 48;
/** Seconds from 1900 to 1970. */
const ERA_OFFSET = 2_208_988_800;
const CLIENT = 3;
const SERVER = 4;

/** The answer of a stratum 2 server (RFC 5905) whose clock is right; null for anything but a client's request. */
export function answerNtp(request: Buffer, now: number): Buffer | null {
  if (request.length < NTP_BYTES || (request.readUInt8(0) & 7) !== CLIENT) return null;
  const reply = Buffer.alloc(NTP_BYTES);
  reply.writeUInt8((request.readUInt8(0) & 0x38) | SERVER, 0);
  reply.writeUInt8(2, 1);
  reply.writeUInt8(request.readUInt8(2), 2);
  reply.writeInt8(-20, 3);
  // Root delay and dispersion of some milliseconds; an address as reference id.
  reply.writeUInt32BE(0x0000_0200, 4);
  reply.writeUInt32BE(0x0000_0300, 8);
  reply.writeUInt32BE(0xc612_0001, 12);
  writeTime(reply, 16, now - 17_000);
  request.copy(reply, 24, 40, 48);
  writeTime(reply, 32, now);
  writeTime(reply, 40, now);
  return reply;
}

function writeTime(bytes: Buffer, at: number, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  bytes.writeUInt32BE((seconds + ERA_OFFSET) >>> 0, at);
  bytes.writeUInt32BE(Math.floor(((ms - seconds * 1000) / 1000) * 2 ** 32) >>> 0, at + 4);
}
