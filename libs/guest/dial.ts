import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** Opens a connection to the agent: TCP, or through the userspace network. Rejects as soon as `signal` aborts. */
export type Dial = (signal: AbortSignal) => Promise<Duplex>;

/** Real TCP, to a guest on a bridge. */
export function dialTcp(host: string, port: number): Dial {
  return async (signal) => {
    const socket = connect({ host, port, noDelay: true });
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw error;
    }
  };
}
