import { eachNode } from '../../each-node.js';

export async function run(args: readonly string[]): Promise<number> {
  return eachNode('enable', args, async (operator, name) => {
    await operator.change(name, { enabled: '1' });
    return 'is enabled: it is given tasks';
  });
}
