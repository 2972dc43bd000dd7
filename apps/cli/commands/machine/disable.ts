import { setEnabled } from '../../set-enabled.js';

export async function run(args: readonly string[]): Promise<number> {
  return setEnabled('disable', args);
}
