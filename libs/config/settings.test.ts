import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { CUCKOO_CONF } from './cuckoo-conf.js';
import { FAKE_CONF, FAKE_MACHINES_DOC } from './fake-conf.js';
import { homePaths, withArtifacts } from './home.js';
import { parseIni } from './ini.js';
import { QEMU_CONF } from './qemu-conf.js';
import { readConf } from './read-conf.js';
import { renderConf } from './render.js';
import { cuckooSettings, loadSettings, qemuSettings } from './settings.js';
import { TOKENS_DOC } from './tokens.js';

const cuckoo = (text: string) =>
  readConf(text, { file: 'cuckoo.conf', schema: CUCKOO_CONF, strict: ['queue', 'api'] });

function refusal(text: string): string {
  try {
    cuckoo(text);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

test('INI as Python 2 read it', () => {
  const text = [
    '\uFEFF# comment',
    '; comment',
    '[One]',
    'KEY = value with = and : in it',
    'other: 2 ; a comment',
    'kept = a;b ; c',
    'empty =',
    'quoted = ""',
    '',
    '   # an indented comment',
    '[two]\r',
    'key = 1',
    '[One]',
    'key = later',
    'percent = 100%% of %(NAME)s, 5%',
  ].join('\n');
  const ini = parseIni('x.conf', text, new Map([['NAME', 'it']]));
  expect(ini.entries.map(({ section, key, value, line }) => [section, key, value, line])).toEqual([
    ['One', 'other', '2', 5],
    ['One', 'kept', 'a;b ; c', 6],
    ['One', 'empty', '', 7],
    ['One', 'quoted', '', 8],
    ['two', 'key', '1', 12],
    ['One', 'key', 'later', 14],
    ['One', 'percent', '100% of it, 5%', 15],
  ]);
  expect(ini.warnings).toEqual(['x.conf:14: [One] key was already set in line 4']);
});

test.each([
  ['key = 1', 'x.conf:1: a [section] line must come first'],
  ['[a]\njust words', 'x.conf:2: neither a [section] nor "key = value"'],
  ['[a]\n= 1', 'x.conf:2: neither a [section] nor "key = value"'],
  [
    '[a]\nkey = 1\n  more',
    'x.conf:3: the indented line would continue the value of "key"; remove the leading space',
  ],
  ['[a]\nkey = %(NOPE)s', 'x.conf:2: key: "%(" must be %(NAME)s with a known name, or written %%('],
  ['[a]\nkey = 5%(', 'x.conf:2: key: "%(" must be %(NAME)s with a known name, or written %%('],
])('refuses %j', (text, message) => {
  expect(() => parseIni('x.conf', text)).toThrow(message);
});

test('errors name file, line, key, what is accepted and the nearest known key', () => {
  expect(refusal('[cuckoo]\n\nfreespace = lots')).toBe(
    'cuckoo.conf:3: [cuckoo] freespace = "lots": expected a whole number, 0 or more',
  );
  expect(refusal('[resultserver]\nport = 65536')).toContain('expected a whole number from 0 to 65535');
  expect(refusal('[cuckoo]\nmemory_dump = perhaps')).toContain('expected yes or no');
  expect(refusal('[api]\nprot = 1')).toBe(
    'cuckoo.conf:2: [api] prot is not a known key; did you mean "port"?',
  );
  expect(refusal('[database]\nconnection = mysql://x/y')).toContain('sqlite:///<path> or postgresql://');
  expect(refusal('[api]\nconstructor = 1')).toContain('is not a known key');
});

test("Cuckoo's own unknown and unused keys only warn", () => {
  const { values, warnings } = cuckoo(
    '[cuckoo]\nMEMORY_DUMP = on\nfreespeace = 5\nversion_check = no\nmax_vmstartup_count = 10\n[timeouts]\ndefault = 30\n',
  );
  expect(values.cuckoo).toMatchObject({ memory_dump: true, freespace: 1024, machinery: 'qemu' });
  expect(values.timeouts).toEqual({ default: 30, critical: 60, vm_state: 60 });
  expect(warnings).toEqual([
    'cuckoo.conf:3: [cuckoo] freespeace is not a known key; did you mean "freespace"?',
    'cuckoo.conf:4: [cuckoo] version_check: No effect: nothing here calls home.',
  ]);
});

test('[artifacts]: a folder or a bucket, and a key with its secret', async () => {
  const read = (text: string) => cuckooSettings('c', `[artifacts]\n${text}`).settings.artifacts;
  expect(read('')).toMatchObject({ location: '', region: 'us-east-1', cache_size: 20480 });
  expect(read('location = /mnt/lab').location).toBe('/mnt/lab');
  expect(read('location = s3://lab\ncache_size = 5G')).toMatchObject({
    location: 's3://lab',
    cache_size: 5120,
  });
  expect(read('location = s3://lab.eu/a/b\nendpoint = http://minio:9000').endpoint).toBe('http://minio:9000');
  for (const wrong of ['storage', 's3://', 's3://Lab', 's3:/lab', 'http://lab', 's3://lab/a b'])
    expect(() => read(`location = ${wrong}`)).toThrow('expected empty, /<folder> or s3://<bucket>/<prefix>');
  expect(() => read('endpoint = minio:9000')).toThrow('expected empty or http(s)://');
  expect(() => read('access_key = a')).toThrow('access_key and secret_key: both or none');
  expect(() => read('bucket = lab')).toThrow('bucket is not a known key');

  const home = homePaths('/home');
  expect(withArtifacts(home, '')).toBe(home);
  expect(withArtifacts(home, 's3://lab')).toBe(home);
  expect(withArtifacts(home, '/mnt/lab/')).toMatchObject({
    storage: '/mnt/lab',
    analyses: '/mnt/lab/analyses',
    binaries: '/mnt/lab/binaries',
    scratch: '/home/storage/scratch',
    database: '/home/malkoha.db',
  });
});

test('machines of the default guest are a number, one’s own are sections', () => {
  expect(qemuSettings('q', '').settings).toMatchObject({ guests: 'auto', memory: 512, machines: [] });
  expect(qemuSettings('q', '[qemu]\nmachines = 3\nmemory = 2G').settings).toMatchObject({
    guests: 3,
    memory: 2048,
  });
  const own = qemuSettings(
    'q',
    '[qemu]\nmachines = vm1, vm2\n[vm1]\nlabel=L\ntags=a, b\nenable_kvm=yes\n[vm2]\nip=1.2.3.4',
  );
  expect(own.settings.guests).toBe(0);
  expect(own.settings.machines).toMatchObject([
    { name: 'vm1', label: 'L', tags: ['a', 'b'], enable_kvm: true },
    { name: 'vm2', label: 'vm2', ip: '1.2.3.4', platform: 'linux' },
  ]);
  expect(() => qemuSettings('q', '[qemu]\nmachines = vm1\n[vm2]')).toThrow(
    'no section [vm1]; did you mean "vm2"?',
  );
});

test('a home without files has the defaults, and nothing can change them', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'malkoha-conf-'));
  try {
    const { settings, warnings } = await loadSettings(dir);
    expect(settings.cuckoo.api).toEqual({
      host: '127.0.0.1',
      port: 8090,
      upload_max_size: 1_073_741_824,
      rate_limit: 0,
    });
    expect(settings.cuckoo.tokens).toEqual([]);
    expect(settings.cuckoo.resultserver).toMatchObject({
      ip: '127.0.0.1',
      port: 2042,
      upload_max_size: 134_217_728,
    });
    expect(warnings).toEqual([]);
    expect(() => Object.assign(settings.cuckoo.api, { port: 1 })).toThrow(TypeError);

    await writeFile(join(dir, 'cuckoo.conf'), '[cuckoo]\napi_token = s3cret\n[ap]\nport = 1\n');
    const second = await loadSettings(dir);
    expect(second.settings.cuckoo.cuckoo.api_token).toBe('s3cret');
    expect(second.warnings).toEqual([
      expect.stringContaining('[ap] is not a known section; did you mean "api"?'),
    ]);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test.each([
  [
    'cuckoo.conf',
    'Malkoha: general settings. The keys are those of Cuckoo Sandbox; [queue], [artifacts], [api], [webhooks] and [tokens] are our own.',
    CUCKOO_CONF,
    `\n${TOKENS_DOC}`,
  ],
  ['qemu.conf', 'Malkoha: the machines that QEMU runs.', QEMU_CONF, ''],
  [
    'fake.conf',
    'Malkoha: machines without a hypervisor. Their guests are scripted: no sample runs.',
    FAKE_CONF,
    `\n${FAKE_MACHINES_DOC}`,
  ],
])('conf/%s is the commented default of every key', async (name, title, schema, more) => {
  const rendered = `${renderConf(title, schema)}${more}`;
  if (process.env['UPDATE_CONF'] === '1')
    await writeFile(new URL(`../../conf/${name}`, import.meta.url), rendered);
  expect(await readFile(new URL(`../../conf/${name}`, import.meta.url), 'utf8')).toBe(rendered);
  const uncommented = rendered.replace(/^# (\w+ =)/gm, '$1');
  const read = readConf(uncommented, { file: name, schema, strict: Object.keys(schema) });
  expect(read.warnings).toEqual([]);
  expect(read.values).toEqual(readConf('', { file: name, schema }).values);
});
