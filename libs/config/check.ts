import { basename, join, normalize } from 'node:path';
import { distributedSettings } from './distributed-conf.js';
import { CONF_NAMES, type ConfName } from './files.js';
import type { Findings } from './findings.js';
import type { Variables } from './ini.js';
import { customFolder, layersOf, type ConfTexts } from './layers.js';
import { MACHINERIES, machineryNames } from './machineries.js';
import { hasOwnNetwork } from './qemu-conf.js';
import { placeOf, type ConfSource } from './read-conf.js';
import { settingsOf, type Settings } from './settings.js';

/**
 * All that can be said of a folder of .conf files without looking at the host: what settingsOf finds, what is wrong with
 * distributed.conf, and what only a start would tell: machinery that is unknown or has no machines, result servers that guests cannot reach, files nobody reads.
 */
export function checkConf(
  confDir: string,
  texts: ConfTexts,
  findings: Findings,
  variables?: Variables,
): Settings {
  const settings = settingsOf(confDir, texts, findings, variables);
  checkMachinery(confDir, texts, settings, findings);
  checkDistributed(layersOf(confDir, 'distributed', texts, variables), findings);
  noteUnread(confDir, texts, findings);
  return settings;
}

function checkMachinery(
  confDir: string,
  texts: ConfTexts,
  { cuckoo, ...settings }: Settings,
  findings: Findings,
): void {
  const place = (name: ConfName, section: string, key: string) =>
    placeOf(layersOf(confDir, name, texts), section, key);
  const { machinery } = cuckoo.cuckoo;
  const wanted = machineryNames(machinery);
  if ('unknown' in wanted) {
    findings.problem(
      place('cuckoo', 'cuckoo', 'machinery'),
      `[cuckoo] machinery = ${machinery}: ${JSON.stringify(wanted.unknown)} is not one of ${MACHINERIES.join(', ')}`,
    );
    return;
  }
  for (const kind of wanted.names) {
    if (kind === 'fake' || kind === 'qemu') continue;
    if (settings[kind].machines.length === 0)
      findings.problem(
        place(kind, kind, 'machines'),
        `[${kind}] machines names none, but [cuckoo] machinery = ${machinery}: \`malkoha machine add NAME --machinery ${kind} ip=…\` adds one`,
      );
  }
  for (const kind of wanted.names) {
    if (kind === 'fake') continue;
    for (const { name, resultServer, interface: at } of settings[kind].machines) {
      const inside = kind === 'qemu' && hasOwnNetwork({ interface: at });
      if (inside || !/^(127\.|0\.0\.0\.0$)/.test(resultServer.ip)) continue;
      findings.note(
        place(kind, name, 'resultserver_ip'),
        `[${name}] finds no result server at ${resultServer.ip}: [resultserver] ip in cuckoo.conf, or resultserver_ip here, must be the address of its bridge`,
      );
    }
  }
}

function checkDistributed(source: ConfSource, findings: Findings): void {
  const { samplesDirectory: samples, reportsDirectory: reports } = distributedSettings(source, findings);
  if (samples === '' || normalize(`${samples}/`) !== normalize(`${reports}/`)) return;
  findings.problem(
    placeOf(source, 'distributed', 'reports_directory'),
    `[distributed] reports_directory is samples_directory, too: each needs a folder of its own`,
  );
}

/** Files of a driver that is not there, or of a misspelt name. */
function noteUnread(confDir: string, texts: ConfTexts, findings: Findings): void {
  const known = new Set(
    CONF_NAMES.flatMap((name) => layersOf(confDir, name, texts).layers.map(({ file }) => file)),
  );
  const folders = [confDir, customFolder(confDir)];
  for (const file of texts.keys()) {
    const here = folders.some((folder) => file === join(folder, basename(file)));
    if (here && !known.has(file))
      findings.note(
        { file },
        `is not read; the files are ${CONF_NAMES.map((name) => `${name}.conf`).join(', ')}`,
      );
  }
}
