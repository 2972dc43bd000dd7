import { eachNode } from '../../each-node.js';

export async function run(args: readonly string[]): Promise<number> {
  return eachNode('disable', args, async (operator, name) => {
    await operator.disable(name);
    return 'is disabled: it is given no more tasks; what it has goes on, and is fetched';
  });
}
