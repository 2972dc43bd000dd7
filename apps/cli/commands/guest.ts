import { homePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import { interruptible } from '../interrupt.js';
import { runChild } from '../lab/run-child.js';
import { homeFolder, parse } from '../options.js';
import { createProgress } from '../progress.js';
import { ensurePackages, labPackages } from '../setup/host-packages.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('guest', args, { home: { type: 'string' } } as const);
  if (positionals.length !== 1 || positionals[0] !== 'build')
    throw new SandboxError('USAGE', 'guest: the one thing it does is `guest build`');
  const home = homePaths(homeFolder(values.home));
  const progress = createProgress();
  return interruptible(async (signal) => {
    await ensurePackages(labPackages(['qemu']), (line) => progress.say(line));
    await runChild(
      new URL('../../worker/main.js', import.meta.url),
      ['--home', home.dir, '--machinery', 'qemu', '--prepare-only'],
      progress,
      signal,
    );
    progress.done();
    progress.say(`the default guest is ready in ${home.guests}`);
    return 0;
  }, progress);
}
