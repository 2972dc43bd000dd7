import { runSubcommand, type Subcommands } from '../subcommands.js';

const MACHINE: Subcommands = {
  list: () => import('./machine/list.js'),
  show: () => import('./machine/show.js'),
  disable: () => import('./machine/disable.js'),
  enable: () => import('./machine/enable.js'),
  test: () => import('./machine/test.js'),
  drain: () => import('./machine/drain.js'),
  add: () => import('./machine/add.js'),
  remove: () => import('./machine/remove.js'),
  prepare: () => import('./machine/prepare.js'),
};

export async function run(args: readonly string[]): Promise<number> {
  return runSubcommand('machine', MACHINE, args);
}
