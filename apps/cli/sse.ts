export interface Message {
  /** Null when the stream gave none yet. */
  readonly id: string | null;
  readonly data: string;
}

/**
 * The messages of a stream of server-sent events; comments and messages without data are left out.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6
 */
export async function* messages(text: AsyncIterable<string>): AsyncGenerator<Message> {
  let id: string | null = null;
  let data: string[] = [];
  for await (const line of lines(text)) {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (line === '') {
      if (data.length > 0) yield { id, data: data.join('\n') };
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
