export interface Message {
  /** The last that the stream gave; null when it gave none yet. */
  readonly id: string | null;
  /** Null: the message only tells the id. */
  readonly data: string | null;
}

/**
 * The messages of a stream of server-sent events.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6
 */
export async function* messages(text: AsyncIterable<string>): AsyncGenerator<Message> {
  let id: string | null = null;
  let told: string | null = null;
  let data: string[] = [];
  for await (const line of lines(text)) {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (line === '') {
      if (data.length > 0) yield { id, data: data.join('\n') };
      else if (id !== told) yield { id, data: null };
      told = id;
      data = [];
    } else if (name === 'data') data.push(value);
    else if (name === 'id') id = value;
  }
}

async function* lines(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of text) {
    const whole = (rest + chunk).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
}
