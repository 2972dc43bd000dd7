import { createHash } from 'node:crypto';

/** Names made by this software; a random UUID, drawn once. */
const NAMESPACE = '6f1f2b1c-3b0e-4c3a-9d52-5d8d0c6e7a41';

/**
 * Version 5: the same name gives the same UUID, so that the same report gives the same bytes.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.5
 */
export function uuid(name: string, namespace = NAMESPACE): string {
  const hash = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name);
  const bytes = hash.digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
