import { runSubcommand, type Subcommands } from '../subcommands.js';

const CONFIG: Subcommands = {
  check: () => import('./config/check.js'),
  import: () => import('./config/import.js'),
};

export async function run(args: readonly string[]): Promise<number> {
  return runSubcommand('config', CONFIG, args);
}
