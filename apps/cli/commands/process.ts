import { homePaths } from '#config/home.js';
import { interruptible } from '../interrupt.js';
import { runChild } from '../lab/run-child.js';
import { homeFolder, parse, taskId } from '../options.js';
import { createProgress } from '../progress.js';

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse('process', args, { home: { type: 'string' } } as const);
  const id = taskId('process', positionals);
  const home = homePaths(homeFolder(values.home));
  const progress = createProgress();
  return interruptible(async (signal) => {
    await runChild(
      new URL('../../worker/process.js', import.meta.url),
      ['--home', home.dir, '--task', String(id)],
      progress,
      signal,
    );
    progress.done();
    return 0;
  }, progress);
}
