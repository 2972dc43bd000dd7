import { Socket } from 'node:net';
import { until } from '../../until.js';

/** A connected socket of which not one byte has been read: they are all for QEMU. */
export async function connectUnread(path: string, signal: AbortSignal): Promise<Socket> {
  const socket = new Socket();
  socket.pause();
  try {
    return await until(signal, (resolve, reject) => {
      socket.once('error', reject);
      socket.connect(path, () => resolve(socket));
      return () => socket.off('error', reject);
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
