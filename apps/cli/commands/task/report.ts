import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SandboxError } from '#domain/errors.js';
import { Refusal, type Client, type Download } from '../../client.js';
import { OVER_REST, withClient } from '../../connection.js';
import { formatBytes } from '../../humane.js';
import { parse, taskId } from '../../options.js';
import { printJson } from '../../print.js';
import { visibleLines } from '../../text.js';

const OPTIONS = {
  ...OVER_REST,
  format: { type: 'string', default: 'json' },
  output: { type: 'string', short: 'o' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task report', args, OPTIONS);
  const id = taskId('task report', positionals);
  const { format, output } = values;
  if (!/^\w{1,32}$/.test(format)) {
    throw new SandboxError(
      'USAGE',
      `--format takes a word such as json or html, not ${JSON.stringify(format)}`,
    );
  }
  if (values.json === true && output === undefined && format !== 'json')
    throw new SandboxError('USAGE', '--json goes with --format json, or with -o FILE');
  return withClient(values, async ({ client, progress }) => {
    const report = await client
      .report(id, format)
      .catch((error: unknown) => whyNone(client, { id, format }, error));
    if (output === undefined) {
      await show(report, format);
      return 0;
    }
    const file = resolve(output);
    const bytes = await save(report, file);
    if (values.json === true) printJson({ task_id: id, format, file, bytes });
    else progress.say(`${file}: ${formatBytes(bytes)}`);
    return 0;
  });
}

/** Not there: mostly it is not there yet, and the task says so. */
async function whyNone(
  client: Client,
  { id, format }: { id: number; format: string },
  error: unknown,
): Promise<never> {
  if (!(error instanceof Refusal && error.status === 404)) throw error;
  const { status } = await client.view(id);
  throw new Error(`task ${id} has no ${format} report: it is ${status}`);
}

/** To a pipe as it is; to a terminal only text, made harmless: guests have a say in it. */
async function show({ type, body }: Download, format: string): Promise<void> {
  if (!process.stdout.isTTY) {
    await pipeline(body, process.stdout, { end: false });
    return;
  }
  if (!/^text\/|json$|xml$/.test(type)) {
    throw new SandboxError(
      'USAGE',
      `the ${format} report is no text for a terminal: give it a file with -o FILE`,
    );
  }
  const decoder = new TextDecoder();
  for await (const chunk of body) process.stdout.write(visibleLines(decoder.decode(chunk, { stream: true })));
}

/** Under its own name only when it is whole. Returns its bytes. */
async function save({ body }: Download, file: string): Promise<number> {
  const part = `${file}.${process.pid}.part`;
  const stream = createWriteStream(part, { flags: 'wx' });
  try {
    await pipeline(body, stream);
    await rename(part, file);
  } catch (cause) {
    await rm(part, { force: true });
    if (cause instanceof SandboxError) throw cause;
    throw new Error(`cannot write ${file}`, { cause });
  }
  return stream.bytesWritten;
}
