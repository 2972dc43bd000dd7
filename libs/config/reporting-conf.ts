import { bool, int, unused, unusedKeys, type Section, type Values } from './field.js';
import type { Findings } from './findings.js';
import { noteUnknown, readConf, type ConfSource } from './read-conf.js';

const WEBHOOKS = 'webhooks tell others of a report, and the REST API gives it to them.';

/** conf/reporting.conf. Every format that there is is always written: the REST API gives them all. */
export const REPORTING_CONF = {
  feedback: unusedKeys('nothing here calls home.', { enabled: 'no' }),
  jsondump: {
    enabled: unused('yes', 'report.json is always written.'),
    indent: int(
      4,
      'Spaces that a level of report.json is indented by; 0 = each value in a line, not indented.',
      {
        max: 16,
      },
    ),
    calls: bool(
      true,
      'Have the calls of each process in report.json. Signatures and report.html see them all the same.',
    ),
    encoding: unused('utf-8', 'report.json is UTF-8.', ['latin-1', 'utf8']),
  },
  singlefile: {
    enabled: unused('no', 'report.html and report.pdf are always written.', ['yes']),
    html: unused('no', 'report.html is always written.', ['yes']),
    pdf: unused('no', 'report.pdf is always written.', ['yes']),
  },
  reporthtml: { enabled: unused('yes', 'report.html is always written.') },
  misp: unusedKeys(WEBHOOKS, {
    enabled: 'no',
    url: '',
    apikey: '',
    mode: 'maldoc ipaddr hashes url',
    distribution: '0',
    analysis: '0',
    threat_level: '4',
    min_malscore: '0',
    tag: 'Cuckoo',
    upload_sample: 'no',
  }),
  mongodb: unusedKeys('reports are files; [database] in cuckoo.conf holds the tasks.', {
    enabled: 'no',
    host: '127.0.0.1',
    port: '27017',
    db: 'cuckoo',
    store_memdump: 'yes',
    paginate: '100',
    username: '',
    password: '',
  }),
  elasticsearch: unusedKeys(WEBHOOKS, {
    enabled: 'no',
    hosts: '127.0.0.1',
    timeout: '300',
    calls: 'no',
    index: 'cuckoo',
    index_time_pattern: 'yearly',
    cuckoo_node: '',
  }),
  moloch: unusedKeys('the capture can be fed to it: dump.pcap.', {
    enabled: 'no',
    host: '',
    insecure: 'no',
    moloch_capture: '/data/moloch/bin/moloch-capture',
    conf: '/data/moloch/etc/config.ini',
    instance: 'cuckoo',
  }),
  notification: unusedKeys(WEBHOOKS, { enabled: 'no', url: '', identifier: '' }),
  mattermost: unusedKeys(WEBHOOKS, {
    enabled: 'no',
    username: 'cuckoo',
    url: '',
    myurl: '',
    show_virustotal: 'no',
    show_signatures: 'no',
    show_urls: 'no',
    hash_filename: 'no',
    hash_url: 'no',
  }),
} as const satisfies Record<string, Section>;

/** What report.json looks like. */
export type ReportingSettings = Pick<Values<typeof REPORTING_CONF.jsondump>, 'indent' | 'calls'>;

export function reportingSettings(source: ConfSource, findings: Findings): ReportingSettings {
  const { values, others } = readConf(source, { schema: REPORTING_CONF }, findings);
  noteUnknown(REPORTING_CONF, others, findings);
  const { indent, calls } = values.jsondump;
  return { indent, calls };
}
