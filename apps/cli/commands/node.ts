import { runSubcommand, type Subcommands } from '../subcommands.js';

const NODE: Subcommands = {
  add: () => import('./node/add.js'),
  list: () => import('./node/list.js'),
  show: () => import('./node/show.js'),
  disable: () => import('./node/disable.js'),
  enable: () => import('./node/enable.js'),
  refresh: () => import('./node/refresh.js'),
  remove: () => import('./node/remove.js'),
  check: () => import('./node/check.js'),
};

export async function run(args: readonly string[]): Promise<number> {
  return runSubcommand('node', NODE, args);
}
