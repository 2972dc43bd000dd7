import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { findAnalyzers } from '#guest/analyzers.js';
import type { Cleanup } from '../../cleanup.js';
import { guestAuthority } from '../networks.js';
import { Router } from '../router.js';
import type { MachineLabOptions } from './machine-lab.js';
import type { OwnMachinesOptions } from './own-machines.js';

/** What machines of any machinery need around them when they are their operator's own. */
export async function ownParts(
  { home, settings, log }: MachineLabOptions,
  cleanup: Cleanup,
): Promise<OwnMachinesOptions> {
  const analyzersFolder = join(home.dir, 'analyzer');
  const socket = settings.cuckoo.cuckoo.rooter || join(home.run, 'rooter.sock');
  return {
    ...{ settings, log, analyzersFolder },
    ca: await guestAuthority(home.guests),
    analyzers: await findAnalyzers(analyzersFolder),
    router: cleanup.use(
      new Router(socket, (machine, what) => log('warn', what, { machine, code: 'ROUTE_UNAVAILABLE' })),
    ),
  };
}

/** A machinery that has nothing to run must not look like a lab that waits for work. @throws CONFIG_INVALID */
export function mustHaveMachines(
  { home }: MachineLabOptions,
  section: string,
  machines: readonly OwnMachine[],
): void {
  if (machines.length > 0) return;
  const file = join(home.conf, `${section}.conf`);
  throw new SandboxError(
    'CONFIG_INVALID',
    `${file}: [${section}] machines names no machine: write one with \`malkoha machine add NAME --machinery ${section} label=… ip=…\``,
  );
}
