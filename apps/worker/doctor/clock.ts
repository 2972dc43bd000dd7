import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { fail, ok, skipped, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Host } from './context.js';
import { programPath, runProgram } from './program.js';

/** Certificates of a fake internet, dates of reports and guests' clocks all follow the host's. */
export function clockCheck(host: Host): Check {
  return { name: 'clock', run: (signal) => clock(host, signal) };
}

async function clock(host: Host, signal: AbortSignal): Promise<Verdict> {
  // This very file was written on some day: a clock before that is wrong, whoever keeps it.
  const { mtimeMs } = await stat(fileURLToPath(import.meta.url));
  const now = host.now();
  const date = new Date(now).toISOString().slice(0, 16).replace('T', ' ');
  if (now < mtimeMs)
    return fail(
      `it is ${date} UTC here, before Malkoha was built (${new Date(mtimeMs).toISOString().slice(0, 10)})`,
      SYNC,
    );
  const synchronised = await asked(host, signal);
  switch (synchronised) {
    case 'yes':
      return ok(`${date} UTC, synchronised`);
    case 'no':
      return warn(`${date} UTC, and nothing keeps it right`, SYNC);
    case 'unknown':
      return skipped(`${date} UTC; whether something keeps it right cannot be asked here (no systemd)`);
  }
}

const SYNC =
  'apt-get install systemd-timesyncd, then `timedatectl set-ntp true`; in a virtual machine or container: on its host';

async function asked(host: Host, signal: AbortSignal): Promise<'yes' | 'no' | 'unknown'> {
  const program = await programPath('timedatectl', host);
  if (program === null) return 'unknown';
  const { code, stdout } = await runProgram(
    program,
    ['show', '-p', 'NTPSynchronized', '--value'],
    host,
    signal,
  );
  if (code !== 0) return 'unknown';
  return stdout.trim() === 'yes' ? 'yes' : 'no';
}
