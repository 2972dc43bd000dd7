import type { Duplex } from 'node:stream';

/** Queries per connection; a resolver sends one or a few. */
const MAX_QUERIES = 1000;

/** DNS over TCP (RFC 7766): each message is preceded by its length as uint16. `answer` gives null for what is no query. */
export async function serveDnsOverTcp(
  stream: Duplex,
  answer: (query: Buffer) => Buffer | null,
): Promise<void> {
  let parts: Buffer[] = [];
  let held = 0;
  let needed = 2;
  let queries = 0;
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    parts.push(chunk as Buffer);
    held += (chunk as Buffer).length;
    if (held < needed) continue;
    let bytes = Buffer.concat(parts);
    for (needed = 2; bytes.length >= 2; needed = 2) {
      const end = 2 + bytes.readUInt16BE(0);
      if (bytes.length < end) {
        needed = end;
        break;
      }
      const reply = answer(bytes.subarray(2, end));
      if (reply === null || ++queries > MAX_QUERIES) {
        stream.destroy();
        return;
      }
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      stream.write(Buffer.concat([length, reply]));
      bytes = bytes.subarray(end);
    }
    parts = [bytes];
    held = bytes.length;
  }
  stream.end();
}
