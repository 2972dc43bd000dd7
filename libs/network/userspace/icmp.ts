import { viewOf } from './framing.js';
import { checksum, sumWords } from './checksum.js';

const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const HEADER_BYTES = 8;

/** The reply to an echo request (RFC 792) in [start, end); null for anything else or a wrong checksum. */
export function answerIcmp(bytes: Buffer, view: DataView, start: number, end: number): Buffer | null {
  if (end - start < HEADER_BYTES || view.getUint8(start) !== ECHO_REQUEST) return null;
  if (checksum(sumWords(view, start, end)) !== 0) return null;
  const reply = Buffer.from(bytes.subarray(start, end));
  reply.writeUInt8(ECHO_REPLY, 0);
  reply.writeUInt16BE(0, 2);
  reply.writeUInt16BE(checksum(sumWords(viewOf(reply), 0, reply.length)), 2);
  return reply;
}
