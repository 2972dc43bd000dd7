import { auxiliarySettings, type AuxiliarySettings } from './auxiliary-conf.js';
import { cuckooSettings, type CuckooSettings } from './cuckoo-settings.js';
import { fakeSettings, type FakeSettings } from './fake-conf.js';
import { Findings, told } from './findings.js';
import type { Variables } from './ini.js';
import { kvmSettings, type KvmSettings } from './kvm-conf.js';
import { readSource } from './layers.js';
import { checkMemoryConf } from './memory-conf.js';
import { qemuSettings, type QemuSettings } from './qemu-conf.js';
import { processingSettings, type ProcessingSettings } from './processing-conf.js';
import { reportingSettings, type ReportingSettings } from './reporting-conf.js';
import { routingSettings, type RoutingSettings } from './routing-conf.js';
import { virtualboxSettings, type VirtualBoxSettings } from './virtualbox-conf.js';

export interface Settings {
  readonly cuckoo: CuckooSettings;
  readonly qemu: QemuSettings;
  readonly kvm: KvmSettings;
  readonly virtualbox: VirtualBoxSettings;
  readonly fake: FakeSettings;
  readonly routing: RoutingSettings;
  readonly auxiliary: AuxiliarySettings;
  readonly processing: ProcessingSettings;
  readonly reporting: ReportingSettings;
}

/**
 * Reads conf/*.conf, in CAPE's layers, over the defaults; an absent file is all defaults. The result is frozen.
 * `variables` fill `%(NAME)s`, names in upper case.
 *
 * @throws CONFIG_INVALID
 */
export async function loadSettings(
  confDir: string,
  variables?: Variables,
): Promise<{ settings: Settings; warnings: readonly string[] }> {
  const { settings, findings } = await readSettings(confDir, variables);
  findings.throwProblems();
  return { settings: deepFreeze(settings), warnings: findings.notes.map(told) };
}

/** As loadSettings, but reads on after a problem: `settings` are of use only when there is none. */
export async function readSettings(
  confDir: string,
  variables?: Variables,
): Promise<{ settings: Settings; findings: Findings }> {
  const findings = new Findings();
  const source = (name: string) => readSource(confDir, name, variables);
  const cuckoo = cuckooSettings(await source('cuckoo'), findings);
  const { resultserver } = cuckoo;
  const settings = {
    cuckoo,
    qemu: qemuSettings(await source('qemu'), resultserver, findings),
    kvm: kvmSettings(await source('kvm'), resultserver, findings),
    virtualbox: virtualboxSettings(await source('virtualbox'), resultserver, findings),
    fake: fakeSettings(await source('fake'), findings),
    routing: routingSettings(await source('routing'), findings),
    auxiliary: auxiliarySettings(await source('auxiliary'), findings),
    processing: processingSettings(await source('processing'), findings),
    reporting: reportingSettings(await source('reporting'), findings),
  };
  checkMemoryConf(await source('memory'), findings);
  return { settings, findings };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
