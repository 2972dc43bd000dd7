import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentClient } from '#guest/agent.js';
import { ensureImage } from '#guest/image/build.js';
import type { TemplateWanted } from '#machinery/adapters/qemu/template.js';
import { guestAuthority, Networks } from '../../apps/worker/networks.js';

/** The guest is built once for all tests. */
const SHARED = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'malkoha-test', 'guests');

/** The default guest, its networks and a folder for templates and runs, without the rest of a worker. */
export async function guestLab(signal: AbortSignal) {
  await mkdir(SHARED, { recursive: true });
  const dir = await mkdtemp(join(tmpdir(), 'lab-'));
  const ca = await guestAuthority(SHARED);
  const image = await ensureImage({
    folder: SHARED,
    caCertificate: ca.certificate,
    onProgress: () => undefined,
    signal,
  });
  const networks = new Networks(dir, ca);
  const agent = (machine: string) => new AgentClient((by) => networks.dialAgent(machine, by));
  const progress: string[] = [];
  const wanted: TemplateWanted = {
    image,
    dir: join(dir, 'templates'),
    runDir: join(dir, 'run'),
    memoryMb: 512,
    accelerator: 'tcg',
    wire: (machine) => networks.wire(machine),
    waitReady: (machine, by) => agent(machine).waitReady(by),
    onProgress: (line) => progress.push(line),
  };
  return {
    ...{ dir, agent, networks, wanted, progress },
    async [Symbol.asyncDispose]() {
      await networks[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export type GuestLab = Awaited<ReturnType<typeof guestLab>>;
