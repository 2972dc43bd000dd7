import { eachNode } from '../../each-node.js';
import { machineCount } from '../../node-text.js';

export async function run(args: readonly string[]): Promise<number> {
  return eachNode('refresh', args, async (operator, name) => {
    await operator.refresh(name);
    return `has ${machineCount(await operator.get(name))}`;
  });
}
