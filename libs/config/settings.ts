import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { CUCKOO_CONF } from './cuckoo-conf.js';
import { fakeSettings, type FakeSettings } from './fake-conf.js';
import { splitList, type Values } from './field.js';
import { QEMU_CONF, QEMU_MACHINE } from './qemu-conf.js';
import { hint, readConf, readSection, type Conf } from './read-conf.js';
import { readTokens, type NamedToken } from './tokens.js';

export type CuckooSettings = Conf<typeof CUCKOO_CONF>['values'] & {
  /** Tokens that the API takes, that of `[cuckoo] api_token` first; none: it asks for no token. */
  readonly tokens: readonly NamedToken[];
};

/** A machine of one's own: a section named in `[qemu] machines`. */
export type QemuMachineSettings = Values<typeof QEMU_MACHINE> & { readonly name: string };

export interface QemuSettings {
  readonly accel: 'auto' | 'kvm' | 'tcg';
  /** Default guests: how many, or `auto`; 0 when the file names machines of its own. */
  readonly guests: number | 'auto';
  /** MiB of each default guest. */
  readonly memory: number;
  readonly machines: readonly QemuMachineSettings[];
}

export interface Settings {
  readonly cuckoo: CuckooSettings;
  readonly qemu: QemuSettings;
  readonly fake: FakeSettings;
}

/** Sections of cuckoo.conf that Cuckoo does not have. */
const OURS = ['queue', 'artifacts', 'api', 'scheduler', 'webhooks'] as const;

/**
 * Reads conf/*.conf over the defaults; an absent file is all defaults. The result is frozen.
 * `variables` fill `%(NAME)s`, names in upper case.
 *
 * @throws CONFIG_INVALID
 */
export async function loadSettings(
  confDir: string,
  variables?: ReadonlyMap<string, string>,
): Promise<{ settings: Settings; warnings: readonly string[] }> {
  const files = ['cuckoo.conf', 'qemu.conf', 'fake.conf'].map((name) => join(confDir, name));
  const [cuckooFile = '', qemuFile = '', fakeFile = ''] = files;
  const [cuckooText = '', qemuText = '', fakeText = ''] = await Promise.all(files.map(readIfThere));
  const cuckoo = cuckooSettings(cuckooFile, cuckooText, variables);
  const qemu = qemuSettings(qemuFile, qemuText, variables);
  const fake = fakeSettings(fakeFile, fakeText, variables);
  return {
    settings: deepFreeze({ cuckoo: cuckoo.settings, qemu: qemu.settings, fake: fake.settings }),
    warnings: [...cuckoo.warnings, ...qemu.warnings, ...fake.warnings],
  };
}

/** @throws CONFIG_INVALID */
export function cuckooSettings(
  file: string,
  text: string,
  variables?: ReadonlyMap<string, string>,
): { settings: CuckooSettings; warnings: readonly string[] } {
  const schema = CUCKOO_CONF;
  const { values, others, warnings } = readConf(text, {
    file,
    schema,
    strict: OURS,
    ...(variables && { variables }),
  });
  const known = [...Object.keys(schema), 'tokens'];
  const unknown = [...others.keys()]
    .filter((name) => name !== 'tokens')
    .map((name) => `${file}: [${name}] is not a known section${hint(name, known)}`);
  const { access_key: key, secret_key: secret } = values.artifacts;
  if ((key === '') !== (secret === ''))
    throw new SandboxError('CONFIG_INVALID', `${file}: [artifacts] access_key and secret_key: both or none`);
  const tokens = readTokens(file, values.cuckoo.api_token, others.get('tokens') ?? []);
  return { settings: { ...values, tokens }, warnings: [...warnings, ...unknown] };
}

/** @throws CONFIG_INVALID */
export function qemuSettings(
  file: string,
  text: string,
  variables?: ReadonlyMap<string, string>,
): { settings: QemuSettings; warnings: readonly string[] } {
  const conf = readConf(text, { file, schema: QEMU_CONF, ...(variables && { variables }) });
  const { accel, memory, machines: wanted } = conf.values.qemu;
  const named = wanted === 'auto' || /^\d+$/.test(wanted) ? [] : splitList(wanted);
  const warnings = [...conf.warnings];
  const machines = named.map((name) => {
    const entries = conf.others.get(name);
    if (!entries) {
      throw new SandboxError(
        'CONFIG_INVALID',
        `${file}: [qemu] machines names "${name}", but there is no section [${name}]${hint(name, [...conf.others.keys()])}`,
      );
    }
    const section = readSection(file, QEMU_MACHINE, entries, false);
    warnings.push(...section.warnings);
    return { ...section.values, name, label: section.values.label || name };
  });
  const guests = named.length > 0 ? 0 : wanted === 'auto' ? 'auto' : Number(wanted);
  return { settings: { accel, guests, memory, machines }, warnings };
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new SandboxError('CONFIG_INVALID', `${file} cannot be read`, { cause });
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
