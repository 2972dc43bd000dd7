import type { Readable } from 'node:stream';

const NEWLINE = 0x0a;

/**
 * The lines of a stream, without their ends. What has no end when the stream ends is dropped.
 *
 * @throws RangeError when a line has more than `most` bytes
 */
export async function* lines(stream: Readable, most: number): AsyncGenerator<string> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  // Not destroyed when a line is refused: its sender is told why.
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      bytes += end - from;
      if (bytes > most) throw new RangeError(`a line has more than ${most} bytes`);
      yield Buffer.concat([...waiting, chunk.subarray(from, end)]).toString('utf8');
      waiting = [];
      bytes = 0;
      from = end + 1;
    }
    if (from < chunk.length) waiting.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > most) throw new RangeError(`a line has more than ${most} bytes`);
  }
}
