import { CapeNode } from './cape.js';
import { CuckooNode } from './cuckoo.js';
import type { Dialect } from './dialect.js';
import { NodeHttp, type HttpOptions } from './http.js';
import { MalkohaNode } from './malkoha.js';
import type { NodeAddress, NodeClient, NodeLimits } from './node.js';

/** A client for the node at `address`. It connects when it is first asked for something. */
export function openNode(
  address: NodeAddress,
  dialect: Dialect,
  limits: NodeLimits,
  lookup?: HttpOptions['lookup'],
): NodeClient {
  const over = (options: HttpOptions) =>
    new NodeHttp(address, limits, { ...options, ...(lookup && { lookup }) });
  switch (dialect) {
    case 'malkoha':
      return new MalkohaNode(over({}));
    case 'cuckoo':
      return new CuckooNode(over({}));
    case 'cape':
      return new CapeNode(over({ scheme: 'Token' }));
  }
}
