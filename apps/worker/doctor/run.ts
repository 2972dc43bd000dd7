import { homePaths } from '#config/home.js';
import type { Finding } from '../../finding.js';
import { addressChecks } from './addresses.js';
import { skipped } from '../../verdict.js';
import { examine, type Check } from './check.js';
import { captureCheck } from './capture.js';
import { clockCheck } from './clock.js';
import { readConfiguration } from './configuration.js';
import type { Configured, Host, RunningLab } from './context.js';
import { deviceChecks } from './devices.js';
import { guestChecks } from './guest.js';
import { homeCheck, storageChecks } from './home.js';
import { hostChecks, nodeVersion } from './host.js';
import { kvmCheck } from './kvm.js';
import { libvirtCheck } from './libvirt.js';
import { machineChecks } from './machines.js';
import { machinesOnInterfaces, needsRooter } from './own-machines.js';
import { rooterCheck } from './rooter.js';
import { serviceChecks } from './services.js';
import { toolChecks } from './tools.js';

export interface Examination {
  readonly home: string;
  /** In the place of `[cuckoo] machinery`. */
  readonly machinery?: string | undefined;
  /** Only this machine; null: none, for nothing may be started. */
  readonly machine?: string | null | undefined;
  readonly running: RunningLab | null;
  readonly host: Host;
  /** Told of each check before it begins. */
  readonly onCheck?: (name: string) => void;
}

/** Every check in the order a person mends: the host, the configuration, programs, rights, addresses, guests, machines. */
export async function* diagnose(examination: Examination, signal: AbortSignal): AsyncGenerator<Finding> {
  const { home, machinery, machine, running, host } = examination;
  const reading = await readConfiguration(home, machinery);
  const checks: Check[] = [
    { name: 'Node.js', run: () => nodeVersion(host) },
    clockCheck(host),
    homeCheck(homePaths(home)),
    { name: 'configuration', run: () => reading.verdicts },
  ];
  if (reading.known === null) {
    const why = 'everything else depends on the configuration, which must be mended first';
    checks.push({ name: 'the rest', run: () => skipped(why) });
  } else {
    const configured = { ...reading.known, running, host };
    checks.push(...configuredChecks(configured));
    if (machine !== null) checks.push(...machineChecks(configured, machine));
  }
  yield* examine(announced(checks, examination.onCheck), signal);
}

function configuredChecks(configured: Configured): readonly Check[] {
  const defaultGuest = configured.machinery.includes('qemu') && configured.settings.qemu.guests !== 0;
  const onInterfaces = machinesOnInterfaces(configured).length > 0;
  return [
    ...hostChecks(configured),
    ...toolChecks(configured),
    ...deviceChecks(configured),
    ...storageChecks(configured),
    ...(configured.machinery.includes('kvm') ? [libvirtCheck(configured)] : []),
    ...(onInterfaces ? [captureCheck(configured)] : []),
    ...(needsRooter(configured) ? [rooterCheck(configured)] : []),
    ...addressChecks(configured),
    ...serviceChecks(configured),
    ...(defaultGuest ? [kvmCheck(configured), ...guestChecks(configured)] : []),
  ];
}

function* announced(checks: readonly Check[], onCheck: Examination['onCheck']): Generator<Check> {
  for (const check of checks) {
    onCheck?.(check.name);
    yield check;
  }
}
