import type { Socket } from 'node:net';
import { deadline } from '#domain/deadline.js';

/**
 * The socket, once it says `event`.
 *
 * @throws what hindered it, and the reason of the deadline; it is destroyed then
 */
export async function opened<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  ms: number,
  signal: AbortSignal,
): Promise<S> {
  using within = deadline(ms, signal);
  const give = (): void => void socket.destroy(within.signal.reason as Error);
  within.signal.addEventListener('abort', give, { once: true });
  if (within.signal.aborted) give();
  await new Promise<void>((resolve, reject) => {
    socket.once(event, resolve);
    socket.on('error', reject);
  });
  return socket;
}
