import { auxiliarySettings, type AuxiliarySettings } from './auxiliary-conf.js';
import { cuckooSettings, type CuckooSettings } from './cuckoo-settings.js';
import { fakeSettings, type FakeSettings } from './fake-conf.js';
import { Findings, told } from './findings.js';
import { deepFreeze } from './freeze.js';
import type { Variables } from './ini.js';
import { kvmSettings, type KvmSettings } from './kvm-conf.js';
import type { ConfName } from './files.js';
import { layersOf, readTexts, type ConfTexts } from './layers.js';
import { machineryNames } from './machineries.js';
import { checkMemoryConf } from './memory-conf.js';
import { hasOwnNetwork, qemuSettings, type QemuSettings } from './qemu-conf.js';
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
  const findings = new Findings();
  const settings = settingsOf(confDir, await readTexts(confDir), findings, variables);
  findings.throwProblems();
  return { settings: deepFreeze(settings), warnings: findings.notes.map(told) };
}

/** The settings that files with these texts would give: of use only when no problem is found. */
export function settingsOf(
  confDir: string,
  texts: ConfTexts,
  findings: Findings,
  variables?: Variables,
): Settings {
  const source = (name: ConfName) => layersOf(confDir, name, texts, variables);
  const cuckoo = cuckooSettings(source('cuckoo'), findings);
  const { resultserver } = cuckoo;
  const settings = {
    cuckoo,
    qemu: qemuSettings(source('qemu'), resultserver, findings),
    kvm: kvmSettings(source('kvm'), resultserver, findings),
    virtualbox: virtualboxSettings(source('virtualbox'), resultserver, findings),
    fake: fakeSettings(source('fake'), findings),
    routing: routingSettings(source('routing'), findings),
    auxiliary: auxiliarySettings(source('auxiliary'), findings),
    processing: processingSettings(source('processing'), findings),
    reporting: reportingSettings(source('reporting'), findings),
  };
  checkMemoryConf(source('memory'), findings);
  refuseNamesakes(settings, source('cuckoo'), findings);
  return settings;
}

/** Machinery that runs side by side must not have two machines of one name, or two guests of one address on the host's networks. */
function refuseNamesakes(settings: Settings, place: { file: string }, findings: Findings): void {
  const wanted = machineryNames(settings.cuckoo.cuckoo.machinery);
  const first = new Map<string, string>();
  for (const kind of 'names' in wanted ? wanted.names : []) {
    const own = kind === 'fake' ? [] : settings[kind].machines;
    for (const machine of own) {
      for (const [what, value] of [
        ['name', machine.name],
        ['ip', machine.ip],
      ] as const) {
        if (what === 'ip' && kind === 'qemu' && hasOwnNetwork(machine)) continue;
        const before = first.get(`${what} ${value}`);
        if (before !== undefined && before !== kind)
          findings.problem(
            place,
            `[cuckoo] machinery: ${before}.conf and ${kind}.conf have a machine of the ${what} ${value} each`,
          );
        first.set(`${what} ${value}`, kind);
      }
    }
  }
}
