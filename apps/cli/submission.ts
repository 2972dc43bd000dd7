import { SandboxError } from '#domain/errors.js';
import { parseOptions } from '#domain/task.js';
import type { Client, Fields } from './client.js';
import { wholeNumber } from './options.js';
import type { Target } from './targets.js';

/** How a target is to be run: the same options for `analyze` and `submit`. */
export const SUBMISSION = {
  package: { type: 'string' },
  timeout: { type: 'string' },
  priority: { type: 'string' },
  options: { type: 'string' },
  machine: { type: 'string' },
  platform: { type: 'string' },
  arch: { type: 'string' },
  tags: { type: 'string' },
  custom: { type: 'string' },
  owner: { type: 'string' },
  memory: { type: 'boolean' },
  'enforce-timeout': { type: 'boolean' },
  clock: { type: 'string' },
  unique: { type: 'boolean' },
} as const;

export type SubmissionValues = {
  readonly [K in keyof typeof SUBMISSION]?: (typeof SUBMISSION)[K]['type'] extends 'boolean'
    ? boolean
    : string;
};

/** A day: longer runs are a mistake more often than a wish. */
const MAX_TIMEOUT_SECONDS = 86_400;
const MAX_PRIORITY = 999_999_999;

/** The form fields that the options ask for. @throws USAGE for what the API would refuse, or silently drop */
export function submissionFields(values: SubmissionValues): Fields {
  wholeNumber('timeout', values.timeout, { min: 1, max: MAX_TIMEOUT_SECONDS });
  wholeNumber('priority', values.priority, { min: -MAX_PRIORITY, max: MAX_PRIORITY });
  if (values.options !== undefined) mustBePairs(values.options);
  const given = { ...values, ...(values.clock !== undefined && { clock: formatClock(values.clock) }) };
  return Object.fromEntries(
    Object.keys(SUBMISSION).flatMap((name): [string, string][] => {
      const value = given[name as keyof SubmissionValues];
      return value === undefined ? [] : [[name.replace('-', '_'), String(value)]];
    }),
  );
}

/** Returns the task's id. @throws what the daemon says */
export async function submitTarget(client: Client, target: Target, fields: Fields): Promise<number> {
  return target.kind === 'file'
    ? client.submitFile(target.path, fields)
    : client.submitUrl(target.url, fields);
}

export function targetName(target: Target): string {
  return target.kind === 'file' ? target.path : target.url;
}

function mustBePairs(options: string): void {
  const wanted = options.split(',').filter((item) => item.trim() !== '');
  const odd = wanted.find((item) => parseOptions(item).size === 0);
  if (odd !== undefined) {
    throw new SandboxError(
      'USAGE',
      `--options takes name=value pairs separated by commas; ${JSON.stringify(odd)} is none`,
    );
  }
}

/** `2026-12-24 18:00:00` as the API wants it: `12-24-2026 18:00:00`, which is taken as well. */
function formatClock(text: string): string {
  const date = text.replace(/^(\d{4})-(\d\d)-(\d\d)[T ]/, '$2-$3-$1 ');
  const [month = 0, day = 0, year = 0, ...time] =
    /^(\d\d)-(\d\d)-(\d{4}) (\d\d):(\d\d):(\d\d)$/.exec(date)?.slice(1).map(Number) ?? [];
  const [hour = 24, minute = 0, second = 0] = time;
  const exists = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day && month <= 12;
  if (exists && hour < 24 && minute < 60 && second < 60) return date;
  throw new SandboxError(
    'USAGE',
    `--clock takes a date and time such as "2026-12-24 18:00:00", not ${JSON.stringify(text)}`,
  );
}
