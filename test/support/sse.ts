/** One message of a stream of server-sent events. */
export interface Message {
  readonly id: string | null;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The messages of an answer as they come; comments and what only sets an id are left out. */
export async function* messages(answer: Response): AsyncGenerator<Message> {
  let text = '';
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => [line.split(':')[0], line.replace(/^\w*: ?/, '')]),
      );
      const data = fields.get('data');
      if (data === undefined) continue;
      yield {
        id: fields.get('id') ?? null,
        event: fields.get('event') ?? 'message',
        data: JSON.parse(data) as Message['data'],
      };
    }
  }
}

/** The next `count` messages; the stream stays open. */
export async function take(stream: AsyncGenerator<Message>, count: number): Promise<Message[]> {
  const taken: Message[] = [];
  while (taken.length < count) {
    const next = await stream.next();
    if (next.done === true) throw new Error(`the stream ended after ${taken.length} of ${count} messages`);
    taken.push(next.value);
  }
  return taken;
}

/** What happened, in one word each. */
export function words(list: readonly Message[]): unknown[] {
  return list.map(({ event, data }) => data['phase'] ?? data['status'] ?? event);
}
