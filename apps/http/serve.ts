import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { tell } from '../ipc.js';
import { portError } from '../ports.js';

/** Listens, and tells stdout and the supervisor the URL in one line. @throws PORT_IN_USE, CANNOT_LISTEN */
export async function serve(app: NestFastifyApplication, port: number, host: string): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    throw await portError(error, port);
  }
  const url = await app.getUrl();
  process.stdout.write(`${JSON.stringify({ ready: true, url, pid: process.pid })}\n`);
  tell({ kind: 'ready', url });
}
