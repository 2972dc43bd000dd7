import { SandboxError } from '#domain/errors.js';
import type { Finding } from '../../../finding.js';
import { OVER_REST, withController } from '../../connection.js';
import { describe, summary } from '../../doctor-text.js';
import { NodeOperator } from '../../node-operator.js';
import { nodeNames, parse, wholeNumber } from '../../options.js';
import { print, printJson } from '../../print.js';

const OPTIONS = { ...OVER_REST, 'no-analysis': { type: 'boolean' }, timeout: { type: 'string' } } as const;
const MAX_TIMEOUT_S = 86_400;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('node check', args, OPTIONS);
  const [name = ''] = nodeNames('node check', positionals, 1);
  const timeout = wholeNumber('timeout', values.timeout, { min: 1, max: MAX_TIMEOUT_S });
  const fields = {
    analysis: values['no-analysis'] === true ? '0' : '1',
    ...(timeout !== undefined && { timeout: String(timeout) }),
  };
  return withController(values, async ({ client }) => {
    const operator = new NodeOperator(client);
    await operator.get(name);
    const findings: Finding[] = [];
    for await (const finding of operator.check(name, fields)) {
      findings.push(finding);
      if (values.json !== true) print(describe(finding));
    }
    if (findings.length === 0)
      throw new SandboxError('DAEMON_UNREACHABLE', `${client.url} ended the check before it found anything`);
    const failed = findings.some(({ status }) => status === 'fail');
    if (values.json === true) printJson({ healthy: !failed, findings });
    else print(summary(findings));
    return failed ? 1 : 0;
  });
}
