import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { FD } from './argv.js';
import type { QemuProcess } from './process.js';
import type { Qmp } from './qmp.js';

/** Device state is 0.4 MB; a template made of a hostile QEMU must not fill our memory. */
const MAX_STATE = 64 << 20;

/** RAM that is a shared file stays where it is; progress is told as events. @throws QmpError when QEMU cannot */
async function useMigration(qmp: Qmp, signal: AbortSignal): Promise<void> {
  const capabilities = ['x-ignore-shared', 'events'].map((capability) => ({ capability, state: true }));
  await qmp.execute('migrate-set-capabilities', { capabilities }, signal);
}

/** Resolves when all state has moved. Ask before starting it. */
async function migrated(qmp: Qmp, signal: AbortSignal): Promise<void> {
  const ended = (status: unknown) => status === 'completed' || status === 'failed';
  const { data } = await qmp.once('MIGRATION', (event) => ended(event.data['status']), signal);
  if (data['status'] !== 'completed') throw new Error('QEMU could not load the state');
}

/** Saves everything but the RAM of a paused guest. */
export async function saveState({ qmp, folder }: QemuProcess, signal: AbortSignal): Promise<Buffer> {
  await useMigration(qmp, signal);
  const path = join(folder, 'state');
  const server = createServer({ pauseOnConnect: true });
  try {
    server.listen(path);
    await once(server, 'listening', { signal });
    await chmod(path, 0o666); // the folder is QEMU's alone; as root we made the socket for ourselves
    const received = once(server, 'connection', { signal }).then(([socket]) =>
      readAll(socket as Socket, signal),
    );
    const [state] = await Promise.all([
      received,
      migrated(qmp, signal),
      qmp.execute('migrate', { uri: `unix:${path}` }, signal),
    ]);
    return state;
  } finally {
    server.close();
  }
}

async function readAll(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = () => socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_STATE)
        throw new SandboxError('TEMPLATE_FAILED', `device state exceeds ${MAX_STATE} bytes`);
      chunks.push(chunk);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
  return Buffer.concat(chunks);
}

/** Loads what saveState() gave into a QEMU that waits for it (`-incoming defer`). */
export async function loadState(
  { qmp, migration }: QemuProcess,
  state: Buffer,
  signal: AbortSignal,
): Promise<void> {
  await useMigration(qmp, signal);
  await Promise.all([
    migrated(qmp, signal),
    qmp.execute('migrate-incoming', { uri: `fd:${FD.migration}` }, signal).then(() => migration.end(state)),
  ]);
}
