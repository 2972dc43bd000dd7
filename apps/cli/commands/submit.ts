import { SandboxError } from '#domain/errors.js';
import type { TaskStatus } from '#domain/task.js';
import type { Client, Fields } from '../client.js';
import { OVER_REST, withClient } from '../connection.js';
import { followTask } from '../follow.js';
import { parse } from '../options.js';
import { print, printJson } from '../print.js';
import type { Progress } from '../progress.js';
import { SUBMISSION, submissionFields, submitTarget, targetName } from '../submission.js';
import { findTargets, type Target } from '../targets.js';
import { visible } from '../text.js';

const OPTIONS = { ...SUBMISSION, ...OVER_REST, wait: { type: 'boolean' } } as const;

/** One target's row of `--json`. */
interface Submitted {
  /** Null: the daemon refused it. */
  readonly task_id: number | null;
  /** The absolute path, or the URL. */
  readonly target: string;
  /** How it ended, with `--wait`. */
  readonly status?: TaskStatus;
  readonly error?: string;
}

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('submit', args, OPTIONS);
  if (positionals.length === 0)
    throw new SandboxError('USAGE', 'submit: name at least one file, folder or URL');
  const fields = submissionFields(values);
  const targets = await findTargets(positionals);
  const wait = values.wait === true;
  const json = values.json === true;
  return withClient(values, async ({ client, signal, progress }) => {
    const rows: Submitted[] = [];
    try {
      for (const target of targets) {
        const row = await submit(client, target, fields);
        rows.push(row);
        if (!json && row.task_id !== null && !(wait && process.stdout.isTTY))
          print(line(row.task_id, row.target));
      }
      if (wait) {
        const ends = rows.map((row) => waitFor(client, row, { many: rows.length > 1, progress, signal }));
        rows.splice(0, rows.length, ...(await Promise.all(ends)));
      }
    } finally {
      // Also when it broke off: what was submitted is known by these ids only.
      progress.done();
      if (json) printJson({ tasks: rows });
      if (signal.aborted && rows.length > 0)
        progress.say('stopped; what was submitted goes on (`malkoha task list`)');
    }
    const failed = rows.filter(({ error }) => error !== undefined);
    for (const { target, error } of failed)
      process.stderr.write(`malkoha: ${visible(`${target}: ${error ?? ''}`)}\n`);
    return failed.length === 0 ? 0 : 1;
  });
}

/** @throws what would refuse every other target as well */
async function submit(client: Client, target: Target, fields: Fields): Promise<Submitted> {
  const name = targetName(target);
  try {
    return { task_id: await submitTarget(client, target, fields), target: name };
  } catch (error) {
    if (error instanceof SandboxError && ['BAD_REQUEST', 'UPLOAD_TOO_LARGE'].includes(error.code))
      return { task_id: null, target: name, error: error.message };
    throw error;
  }
}

async function waitFor(
  client: Client,
  row: Submitted,
  { many, progress, signal }: { many: boolean; progress: Progress; signal: AbortSignal },
): Promise<Submitted> {
  const { task_id: task, target: name } = row;
  if (task === null) return row;
  const { status, failure } = await followTask(client, { task, name, many }, progress, signal);
  progress.say(`task ${task}: ${status}`);
  return { ...row, status, ...(failure !== null && { error: failure }) };
}

/** A program wants the id, a person also what it stands for. */
function line(task: number, target: string): string {
  return process.stdout.isTTY ? `task ${task}: ${visible(target)}` : String(task);
}
