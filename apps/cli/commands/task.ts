import { runSubcommand, type Subcommands } from '../subcommands.js';

const TASK: Subcommands = {
  list: () => import('./task/list.js'),
  view: () => import('./task/view.js'),
  cancel: () => import('./task/cancel.js'),
  delete: () => import('./task/delete.js'),
  report: () => import('./task/report.js'),
  explain: () => import('./task/explain.js'),
  watch: () => import('./task/watch.js'),
  failed: () => import('./task/failed.js'),
  retry: () => import('./task/retry.js'),
};

export async function run(args: readonly string[]): Promise<number> {
  return runSubcommand('task', TASK, args);
}
