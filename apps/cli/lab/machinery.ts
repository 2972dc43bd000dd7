import { MACHINERIES, machineryNames, type MachineryName } from '#config/machineries.js';
import type { Settings } from '#config/settings.js';
import { SandboxError } from '#domain/errors.js';

/** What the lab will run: `--machinery`, else cuckoo.conf's. @throws USAGE */
export function chosenMachinery(option: string | undefined, { cuckoo }: Settings): readonly MachineryName[] {
  const wanted = machineryNames(option ?? cuckoo.cuckoo.machinery);
  if ('names' in wanted) return wanted.names;
  // What cuckoo.conf has wrong the worker says, with the file.
  if (option === undefined) return [];
  throw new SandboxError(
    'USAGE',
    `--machinery takes ${MACHINERIES.join(', ')}, or several of them separated by commas, not ${JSON.stringify(option)}`,
  );
}

/** More virtual machines than this on one host need a configuration of their own; fake ones cost next to nothing. */
const MAX_MACHINES = 64;
const MAX_FAKE_MACHINES = 1024;

/** Default guests of each machinery. */
export function mostMachines(machinery: readonly MachineryName[]): number {
  return machinery.includes('qemu') ? MAX_MACHINES : MAX_FAKE_MACHINES;
}
