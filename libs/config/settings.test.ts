import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { CUCKOO_CONF } from './cuckoo-conf.js';
import { cuckooSettings } from './cuckoo-settings.js';
import { homePaths, withArtifacts } from './home.js';
import { qemuSettings } from './qemu-conf.js';
import { readConf } from './read-conf.js';
import { loadSettings } from './settings.js';

const cuckoo = (text: string) => {
  const { settings, warnings } = readText(
    (source, findings) => readConf(source, { schema: CUCKOO_CONF, strict: ['queue', 'api'] }, findings),
    text,
    'cuckoo.conf',
  );
  return { values: settings.values, warnings };
};

function refusal(text: string): string {
  try {
    cuckoo(text);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

test('errors name file, line, key, what is accepted and the nearest known key', () => {
  expect(refusal('[cuckoo]\n\nfreespace = lots')).toBe(
    'cuckoo.conf:3: [cuckoo] freespace = "lots": expected a whole number, 0 or more',
  );
  expect(refusal('[resultserver]\nport = 65536')).toContain('expected a whole number from 0 to 65535');
  expect(refusal('[cuckoo]\nmemory_dump = perhaps')).toContain('expected yes or no');
  expect(refusal('[api]\nprot = 1')).toBe(
    'cuckoo.conf:2: [api] prot is not a known key; did you mean "port"?',
  );
  const refused = refusal('[database]\nconnection = mysql://me:s3cret@x/y');
  expect(refused).toContain('"mysql://me:…@x/y": expected empty, sqlite:///<path> or postgresql://');
  expect(refusal('[api]\nconstructor = 1')).toContain('is not a known key');
});

test("Cuckoo's own unknown and unused keys only warn", () => {
  const { values, warnings } = cuckoo(
    '[cuckoo]\nMEMORY_DUMP = on\nfreespeace = 5\ndelete_original = yes\nmax_vmstartup_count = 10\n[timeouts]\ndefault = 30\n',
  );
  expect(values.cuckoo).toMatchObject({ memory_dump: true, freespace: 1024, machinery: 'qemu' });
  expect(values.timeouts).toMatchObject({ default: 30, critical: 60, vm_state: 60 });
  expect(warnings).toEqual([
    'cuckoo.conf:3: [cuckoo] freespeace is not a known key; did you mean "freespace"?',
    'cuckoo.conf:4: [cuckoo] delete_original: No effect: a submitted file is streamed into storage/binaries and has no other copy.',
  ]);
});

test('[artifacts]: a folder or a bucket, and a key with its secret', async () => {
  const read = (text: string) => readText(cuckooSettings, `[artifacts]\n${text}`).settings.artifacts;
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
  const read = (text: string) =>
    readText((source, findings) => qemuSettings(source, { ip: '10.0.0.1', port: 2042 }, findings), text);
  expect(read('').settings).toMatchObject({ guests: 'auto', memory: 512, machines: [] });
  expect(read('[qemu]\nmachines = 3\nmemory = 2G').settings).toMatchObject({ guests: 3, memory: 2048 });
  const own = read(
    '[qemu]\nmachines = vm1, vm2\ninterface = br0\n[vm1]\nlabel=L\ntags=a, b\nenable_kvm=yes\nimage=/a\nip=1.2.3.3\narch = arm\n[vm2]\nip=1.2.3.4\nimage = /b\nmemory=2G\nMAC = 52:54:00:AA:00:01',
  );
  expect(own.settings.guests).toBe(0);
  expect(own.settings.machines).toMatchObject([
    {
      name: 'vm1',
      label: 'L',
      tags: ['a', 'b'],
      enableKvm: true,
      interface: 'br0',
      arch: 'arm',
      memory: 256,
    },
    { name: 'vm2', label: 'vm2', ip: '1.2.3.4', platform: 'linux', arch: 'x64', memory: 2048 },
  ]);
  expect(own.settings.machines[1]?.mac).toBe('52:54:00:aa:00:01');
  expect(() => read('[qemu]\nmachines = vm1\n[vm2]')).toThrow('no section [vm1]; did you mean "vm2"?');
  expect(() => read('[qemu]\nmachines = vm1\n[vm1]\nip = 1.2.3.4')).toThrow('x.conf:3: [vm1] has no image');
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
