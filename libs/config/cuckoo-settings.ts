import { CUCKOO_CONF } from './cuckoo-conf.js';
import type { Findings } from './findings.js';
import { noteUnknown, readConf, type Conf, type ConfSource } from './read-conf.js';
import { readTokens, type NamedToken } from './tokens.js';

export type CuckooSettings = Conf<typeof CUCKOO_CONF>['values'] & {
  /** Tokens that the API takes, that of `[cuckoo] api_token` first; none: it asks for no token. */
  readonly tokens: readonly NamedToken[];
};

/** Sections of cuckoo.conf that Cuckoo does not have. */
const OURS = ['queue', 'artifacts', 'api', 'scheduler', 'webhooks'] as const;

export function cuckooSettings(source: ConfSource, findings: Findings): CuckooSettings {
  const { values, others, given } = readConf(source, { schema: CUCKOO_CONF, strict: OURS }, findings);
  const unknown = new Map([...others].filter(([name]) => name !== 'tokens'));
  noteUnknown({ ...CUCKOO_CONF, tokens: {} }, unknown, findings);
  const { access_key: key, secret_key: secret } = values.artifacts;
  if ((key === '') !== (secret === '')) {
    const place = given.get('artifacts.access_key') ?? given.get('artifacts.secret_key') ?? source;
    findings.problem(place, '[artifacts] access_key and secret_key: both or none');
  }
  const entries = others.get('tokens')?.entries ?? [];
  return { ...values, tokens: readTokens(values.cuckoo.api_token, entries, findings) };
}
