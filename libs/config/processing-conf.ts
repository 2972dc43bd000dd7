import { bool, unused, unusedKeys, type Field, type Section } from './field.js';
import type { Findings } from './findings.js';
import { noteUnknown, readConf, type ConfSource } from './read-conf.js';

const ALWAYS = 'it is part of every report.';
const NOT_SENT = 'nothing about a sample is sent to others.';

function made(doc: string): { enabled: Field<boolean> } {
  return { enabled: bool(true, doc) };
}

/** A section that Cuckoo could make and this cannot, off or on there without being asked. */
function absent<K extends string>(
  enabled: 'yes' | 'no',
  doc: string,
  keys = {} as Readonly<Record<K, string>>,
): Readonly<Record<K | 'enabled', Field<string>>> {
  return unusedKeys(doc, { enabled, ...keys });
}

/** conf/processing.conf: the sections of the report. Those that have no switch here are always made, or never. */
export const PROCESSING_CONF = {
  analysisinfo: { enabled: unused('yes', ALWAYS) },
  apkinfo: absent('no', 'Android packages are not taken apart.', { decompilation_threshold: '5000000' }),
  baseline: absent('no', 'machines are not compared with an idle one.'),
  behavior: made('What the sample did. Without it few signatures match.'),
  buffer: absent('yes', 'buffers are in the arguments of calls.'),
  debug: made('Logs and errors of the analysis.'),
  droidmon: absent('no', 'Android is not traced.'),
  dropped: made('Files that the sample made.'),
  dumptls: absent('yes', 'the built-in fake internet reads TLS itself.'),
  extracted: absent('yes', 'what a sample unpacks is in dropped.'),
  googleplay: absent('no', NOT_SENT, { android_id: '', google_login: '', google_password: '' }),
  memory: absent('no', 'memory is kept, not examined with Volatility.'),
  misp: absent('no', NOT_SENT, { url: '', apikey: '', maxioc: '100' }),
  network: {
    ...made('Whom the guest talked to.'),
    safelist_dns: unused('no', 'all names are shown.'),
    allowed_dns: unused('', 'the host asks nobody about a sample.'),
  },
  procmemory: absent('yes', 'the memory of single processes is not kept.', {
    idapro: 'no',
    extract_img: 'yes',
    extract_dll: 'no',
    dump_delete: 'no',
  }),
  procmon: absent('yes', 'calls are traced without Process Monitor.'),
  screenshots: {
    ...made('Pictures of the screen.'),
    tesseract: unused('no', 'text in pictures is not read.', ['/usr/bin/tesseract']),
  },
  snort: absent('no', 'the capture can be fed to it: dump.pcap.', {
    snort: '/usr/local/bin/snort',
    conf: '/etc/snort/snort.conf',
  }),
  static: absent('yes', 'the file itself is told of in target and strings.', { pdf_timeout: '60' }),
  strings: made('Printable text in the file.'),
  suricata: absent('no', 'the capture can be fed to it: dump.pcap.', {
    suricata: '/usr/bin/suricata',
    conf: '/etc/suricata/suricata.yaml',
    eve_log: 'eve.json',
    files_log: 'files-json.log',
    files_dir: 'files',
    socket: '',
  }),
  targetinfo: { enabled: unused('yes', ALWAYS) },
  virustotal: absent('no', NOT_SENT, { timeout: '60', scan: 'no', key: '' }),
  irma: absent('no', NOT_SENT, { timeout: '60', scan: 'no', force: 'no', url: '', probes: '' }),
} as const satisfies Record<string, Section>;

/** Sections of the report that can be left out. */
const SWITCHES = ['behavior', 'network', 'dropped', 'screenshots', 'strings', 'debug'] as const;
export type SwitchedSection = (typeof SWITCHES)[number];

export interface ProcessingSettings {
  /** Sections that the report is to be without. */
  readonly off: readonly SwitchedSection[];
}

export function processingSettings(source: ConfSource, findings: Findings): ProcessingSettings {
  const { values, others } = readConf(source, { schema: PROCESSING_CONF }, findings);
  noteUnknown(PROCESSING_CONF, others, findings);
  return { off: SWITCHES.filter((name) => !values[name].enabled) };
}
