import { homePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import type { Finding } from '../../finding.js';
import { describe, summary } from '../doctor-text.js';
import { interruptible } from '../interrupt.js';
import { daemonFile, readDaemon } from '../lab/lockfile.js';
import { runTelling } from '../lab/run-child.js';
import { optionArgs } from '../lab/service.js';
import { homeFolder, noArguments, parse } from '../options.js';
import { print, printJson } from '../print.js';
import { createProgress, show } from '../progress.js';

const OPTIONS = {
  home: { type: 'string' },
  machinery: { type: 'string' },
  machine: { type: 'string' },
  'no-machines': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('doctor', args, OPTIONS);
  noArguments('doctor', positionals);
  const home = homePaths(homeFolder(values.home));
  const daemon = await readDaemon(daemonFile(home));
  const { machinery, machine } = values;
  const hostOnly = values['no-machines'] === true;
  if (hostOnly && machine !== undefined)
    throw new SandboxError('USAGE', 'doctor: either --machine or --no-machines');
  const known = { machinery, machine, 'daemon-pid': daemon?.pid.toString() };
  const progress = createProgress();
  const findings: Finding[] = [];
  return interruptible(
    async (signal) => {
      await runTelling(
        new URL('../../worker/doctor/main.js', import.meta.url),
        ['--home', home.dir, ...optionArgs(known), ...(hostOnly ? ['--no-machines'] : [])],
        (message) => {
          if (message.kind === 'progress') show(progress, message);
          if (message.kind !== 'finding') return;
          findings.push(message.finding);
          progress.done();
          if (values.json !== true) print(describe(message.finding));
        },
        signal,
      );
      progress.done();
      const failed = findings.some(({ status }) => status === 'fail');
      if (values.json === true) printJson({ healthy: !failed, findings });
      else print(summary(findings));
      return failed ? 1 : 0;
    },
    progress,
    () => progress.say('stopping; a machine that was started is stopped first (again: stop at once)'),
  );
}
