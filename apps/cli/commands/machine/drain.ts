import { OVER_REST, withClient } from '../../connection.js';
import { whatItDoes } from '../../machine-text.js';
import { Operator } from '../../operator.js';
import { machineNames, noArguments, parse, wholeNumber } from '../../options.js';
import { print, printJson } from '../../print.js';
import { visible } from '../../text.js';
import { waitUntil } from '../../wait-until.js';

const OPTIONS = { ...OVER_REST, worker: { type: 'string' }, timeout: { type: 'string' } } as const;

/** Seconds to wait for what runs. */
const TIMEOUT_S = 600;
const MAX_TIMEOUT_S = 86_400;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('machine drain', args, OPTIONS);
  const { worker, json } = values;
  if (worker === undefined) machineNames('machine drain', positionals);
  else noArguments('machine drain --worker', positionals);
  const seconds = wholeNumber('timeout', values.timeout, { min: 0, max: MAX_TIMEOUT_S }) ?? TIMEOUT_S;
  return withClient(values, async ({ client, progress, signal }) => {
    const operator = new Operator(client);
    const look =
      worker === undefined ? await drainMachines(operator, positionals) : await drainWorker(operator, worker);
    const left = await waitUntil({ look, seconds, progress, signal });
    if (json === true) printJson({ drained: left === null, waiting_for: left });
    if (left !== null) {
      process.stderr.write(
        `malkoha: ${visible(left)}: not done within ${seconds} s; it takes no more tasks\n`,
      );
      return 1;
    }
    if (json !== true) print(worker === undefined ? 'drained' : `worker ${visible(worker)} has ended`);
    return 0;
  });
}

async function drainMachines(operator: Operator, names: readonly string[]) {
  for (const name of names) await operator.setEnabled(name, 'disable');
  return async (): Promise<string | null> => {
    const { machines } = await operator.machines();
    const busy = machines.filter(({ name, state }) => names.includes(name) && state !== 'disabled');
    return busy.length === 0 ? null : `waiting for ${busy.map(whatItDoes).join(', ')}`;
  };
}

/** Until its processes are gone: one that is started meanwhile, under the same name, is another. */
async function drainWorker(operator: Operator, name: string) {
  const ids = await operator.drain(name);
  return async (): Promise<string | null> => {
    const left = (await operator.workers()).filter(({ id, alive }) => alive && ids.includes(id));
    if (left.length === 0) return null;
    const { machines } = await operator.machines();
    const busy = machines.filter((one) => one.task_id !== null && ids.includes(one.worker?.id ?? ''));
    return busy.length === 0
      ? `waiting for the worker ${name} to end`
      : `waiting for ${busy.map(whatItDoes).join(', ')}`;
  };
}
