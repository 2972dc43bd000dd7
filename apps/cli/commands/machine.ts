import { runSubcommand, type Subcommands } from '../subcommands.js';

const MACHINE: Subcommands = { list: () => import('./machine/list.js') };

export async function run(args: readonly string[]): Promise<number> {
  return runSubcommand('machine', MACHINE, args);
}
