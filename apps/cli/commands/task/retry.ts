import { SandboxError } from '#domain/errors.js';
import type { Fields } from '../../client.js';
import { OVER_REST, withClient } from '../../connection.js';
import { Operator } from '../../operator.js';
import type { Retried } from '../../operator-answers.js';
import { parse, taskId } from '../../options.js';
import { print, printJson } from '../../print.js';
import { visible } from '../../text.js';

const OPTIONS = { ...OVER_REST, outcome: { type: 'string' }, all: { type: 'boolean' } } as const;

/** Tasks of one request: the API takes no more. */
const AT_ONCE = 500;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('task retry', args, OPTIONS);
  const { outcome, all, json } = values;
  const wanted = requests(positionals, { outcome, all });
  return withClient(values, async ({ client, progress }) => {
    const operator = new Operator(client);
    const done: Pick<Retried, 'retried' | 'refused'> = { retried: [], refused: [] };
    try {
      for (const fields of wanted) {
        for (let cursor: string | null = ''; cursor !== null;) {
          const answer = await operator.retry({ ...fields, ...(cursor !== '' && { cursor }) });
          done.retried.push(...answer.retried);
          done.refused.push(...answer.refused);
          if (json !== true) tell(answer);
          cursor = answer.next_cursor;
        }
      }
    } finally {
      if (json === true) printJson(done); // also when it broke off: what was begun goes on
    }
    if (done.retried.length + done.refused.length === 0) progress.say('no such failed task');
    return done.refused.length === 0 ? 0 : 1;
  });
}

/** The fields of each request. @throws USAGE unless it is said which tasks, in one way */
function requests(
  ids: readonly string[],
  { outcome, all }: { readonly outcome: string | undefined; readonly all: boolean | undefined },
): readonly Fields[] {
  const limit = String(AT_ONCE);
  if ([ids.length > 0, outcome !== undefined, all === true].filter(Boolean).length !== 1)
    throw new SandboxError('USAGE', 'task retry: name tasks by their ids, or give --outcome O, or --all');
  if (outcome !== undefined) return [{ outcome, limit }];
  if (all === true) return [{ all: 'true', limit }];
  const numbers = ids.map((id) => taskId('task retry', [id]));
  return Array.from({ length: Math.ceil(numbers.length / AT_ONCE) }, (_, at) => ({
    ids: numbers.slice(at * AT_ONCE, (at + 1) * AT_ONCE).join(','),
  }));
}

function tell({ retried, refused }: Retried): void {
  for (const { retried_id: old, task_id: id } of retried)
    print(old === id ? `task ${id}: its report is made again` : `task ${old} runs again as task ${id}`);
  for (const { task_id: id, message } of refused)
    process.stderr.write(`malkoha: task ${id}: ${visible(message)}\n`);
}
