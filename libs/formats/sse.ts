import { ProtocolError } from '#domain/errors.js';

/** Characters of one message, and of one line: a stream may be made to never end either. */
const LONGEST = 1024 * 1024;

export interface Message {
  /** The last that the stream gave; null when it gave none yet. */
  readonly id: string | null;
  /** Null: the message only tells the id. */
  readonly data: string | null;
}

/**
 * The messages of a stream of server-sent events.
 *
 * @throws ProtocolError when a message or a line is longer than 1 MiB
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6
 */
export async function* messages(text: AsyncIterable<string>): AsyncGenerator<Message> {
  let id: string | null = null;
  let told: string | null = null;
  let data: string[] = [];
  let length = 0;
  for await (const line of lines(text)) {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (line === '') {
      if (data.length > 0) yield { id, data: data.join('\n') };
      else if (id !== told) yield { id, data: null };
      told = id;
      data = [];
      length = 0;
    } else if (name === 'data') {
      data.push(value);
      length += value.length + 1;
      if (length > LONGEST) throw tooLong('message', length);
    } else if (name === 'id') id = value;
  }
}

async function* lines(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest: string[] = [];
  let length = 0;
  for await (const chunk of text) {
    const [first = '', ...others] = chunk.split('\n');
    // Joined once per line, not per chunk: a server that sends it letter by letter must not cost O(n²) copies.
    rest.push(first);
    length += first.length;
    for (const next of others) {
      yield whole(rest);
      rest = [next];
      length = next.length;
    }
    if (length > LONGEST) throw tooLong('line', length);
  }
}

function whole(parts: readonly string[]): string {
  const line = parts.join('');
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

function tooLong(what: string, length: number): ProtocolError {
  return new ProtocolError(`a ${what} of a stream of events is longer than ${LONGEST} characters`, length);
}
