import { OVER_REST, withClient } from '../../connection.js';
import { formatMs } from '../../humane.js';
import { whatItDoes } from '../../machine-text.js';
import { Operator } from '../../operator.js';
import type { MachineTest } from '../../operator-answers.js';
import { machineNames, parse, wholeNumber } from '../../options.js';
import { print, printJson } from '../../print.js';
import { visible } from '../../text.js';

const OPTIONS = { ...OVER_REST, timeout: { type: 'string' } } as const;

/** Seconds to wait for the result: the task that has the machine goes first. */
const TIMEOUT_S = 300;
const MAX_TIMEOUT_S = 3600;
/** Seconds that one request waits. */
const ASK_S = 20;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('machine test', args, OPTIONS);
  const [name = ''] = machineNames('machine test', positionals, 1);
  const timeout = wholeNumber('timeout', values.timeout, { min: 1, max: MAX_TIMEOUT_S }) ?? TIMEOUT_S;
  return withClient(values, async ({ client, progress }) => {
    const operator = new Operator(client);
    let test = await operator.test(name);
    const end = performance.now() + timeout * 1000;
    let said = '';
    while (test.result === null && performance.now() < end) {
      const { machine } = await operator.machine(name);
      const doing = `testing ${whatItDoes(machine)}`;
      if (doing !== said) progress.say(doing);
      said = doing;
      test = await operator.testResult(test.id, Math.min(ASK_S, Math.ceil((end - performance.now()) / 1000)));
    }
    if (values.json === true) printJson({ test });
    return conclude(test, timeout, values.json !== true);
  });
}

function conclude({ machine, result }: MachineTest, timeout: number, isText: boolean): number {
  if (result === null) {
    process.stderr.write(
      `malkoha: no result within ${timeout} s: the test of ${visible(machine)} goes on, and comes after the task that has it\n`,
    );
    return 1;
  }
  const phases = Object.entries(result.phases).map(([phase, ms]) => `${phase} ${formatMs(ms)}`);
  if (result.failed === null) {
    if (isText) print(`${visible(machine)} works  ${visible(phases.join(' · '))}`);
    return 0;
  }
  const { phase, reason } = result.failed;
  const where = phase === null ? 'before it began' : `at "${phase}"`;
  process.stderr.write(
    `malkoha: ${visible(`${machine} failed ${where}: ${reason}`)}\n         ${visible(phases.join(' · '))}\n`,
  );
  return 1;
}
