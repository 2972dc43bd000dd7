import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { CONF_NAMES, defaultFile } from '#config/files.js';
import { runCommand } from '../../../../test/support/run-command.js';

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../../../test/fixtures/conf/${name}`, import.meta.url));

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'malkoha-config-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(home, { recursive: true, force: true });
});

/** Runs a command on the home, as its user would. */
async function malkoha(command: string, ...args: readonly string[]): Promise<{ code: number; out: string }> {
  const { code, out } = await runCommand(command, ...args, '--home', home);
  return { code, out: out.replaceAll(home, '~') };
}

const conf = (name: string) => readFile(join(home, 'conf', name), 'utf8');

describe('config import', () => {
  test('copies the files of Cuckoo 2.0.7 as they are, but what is the other’s own', async () => {
    const { code, out } = await malkoha('config', 'import', fixture('cuckoo-2.0.7'));
    expect(code).toBe(0);
    expect((await readdir(join(home, 'conf'))).sort()).toEqual([
      ...['auxiliary.conf', 'cuckoo.conf', 'kvm.conf', 'memory.conf', 'processing.conf', 'qemu.conf'],
      ...['reporting.conf', 'routing.conf', 'virtualbox.conf'],
    ]);
    const given = (name: string) => readFile(join(fixture('cuckoo-2.0.7'), name), 'utf8');
    expect(await conf('virtualbox.conf')).toBe(await given('virtualbox.conf'));
    expect(await conf('cuckoo.conf')).toBe(
      (await given('cuckoo.conf')).replace(
        'rooter =',
        '# not imported, the socket of the other sandbox: rooter =',
      ),
    );
    expect(out).toContain(`left    ${join(fixture('cuckoo-2.0.7'), 'vmware.conf')}: nothing here reads it\n`);
    expect(out).toContain(
      'note    ~/conf/virtualbox.conf:41: [honeyd] is not named in [virtualbox] machines',
    );
    expect(out).toContain('~/conf: 0 problems, 1 note\n');
  });

  test('replaces nothing unless told to, and then keeps a copy', async () => {
    await mkdir(join(home, 'conf'));
    await writeFile(join(home, 'conf', 'kvm.conf'), '# mine\n');
    await expect(malkoha('config', 'import', fixture('cape'))).rejects.toThrow(
      /kvm\.conf would be replaced; --force/,
    );
    expect(await readdir(join(home, 'conf'))).toEqual(['kvm.conf']);
    const { code } = await malkoha('config', 'import', fixture('cape'), '--force');
    expect(code).toBe(0);
    expect(await conf('kvm.conf.bak')).toBe('# mine\n');
    expect(await conf('kvm.conf')).toContain('arch = x86\n');
    expect(await conf('cuckoo.conf')).toContain(
      '# not imported, the database of the other sandbox: connection = postgresql://cape:',
    );
    const { out } = await malkoha('config', 'import', fixture('cape'), '--force');
    expect(out).toContain(
      'to set  ~/conf/distributed.conf: [distributed] needs report_formats, samples_directory and reports_directory before it starts\n',
    );
    // Again: nothing differs, so nothing is replaced.
    expect((await malkoha('config', 'import', fixture('cape'))).code).toBe(0);
  });

  test('takes over CAPE’s layers as layers', async () => {
    const from = await mkdtemp(join(tmpdir(), 'malkoha-cape-'));
    try {
      await cp(fixture('cape'), join(from, 'conf'), { recursive: true });
      await mkdir(join(from, 'conf', 'default'));
      await cp(join(fixture('cape'), 'kvm.conf'), join(from, 'conf', 'default', 'kvm.conf.default'));
      await mkdir(join(from, 'custom', 'conf', 'kvm.conf.d'), { recursive: true });
      const layer = '[cuckoo1]\nip = 10.9.8.7\n';
      await writeFile(join(from, 'custom', 'conf', 'kvm.conf.d', 'ip.conf'), layer);
      const theirs = '[database]\nconnection = postgresql://cape@localhost/cape\n';
      await writeFile(join(from, 'custom', 'conf', 'cuckoo.conf'), theirs);
      const { code, out } = await malkoha('config', 'import', from);
      expect(code).toBe(0);
      expect(out).toContain('changed ../custom/conf/cuckoo.conf: [database] connection is not imported');
      expect(await readFile(join(home, 'custom', 'conf', 'cuckoo.conf'), 'utf8')).toBe(
        theirs.replace('connection', '# not imported, the database of the other sandbox: connection'),
      );
      expect(await readFile(join(home, 'custom', 'conf', 'kvm.conf.d', 'ip.conf'), 'utf8')).toBe(layer);
      expect(await conf('default/kvm.conf.default')).toBe(await conf('kvm.conf'));
    } finally {
      await rm(from, { recursive: true });
    }
  });

  test('ends with 1 when what came over cannot start', async () => {
    const from = join(home, 'old');
    await mkdir(from);
    await writeFile(join(from, 'cuckoo.conf'), '[cuckoo]\nmachine_manager = vmware\n');
    const { code, out } = await malkoha('config', 'import', from);
    expect(code).toBe(1);
    expect(out).toContain('changed cuckoo.conf: [cuckoo] machine_manager is called machinery\n');
    expect(out).toContain(
      'problem ~/conf/cuckoo.conf:2: [cuckoo] machinery = vmware: "vmware" is not one of',
    );
  });
});

describe('config check', () => {
  test('tells file and line, and counts', async () => {
    await mkdir(join(home, 'conf'));
    await writeFile(join(home, 'conf', 'cuckoo.conf'), '[cuckoo]\nfreespace = x\n[api]\nprot = 1\n[ap]\n');
    expect(await malkoha('config', 'check')).toEqual({
      code: 1,
      out: `problem ~/conf/cuckoo.conf:2: [cuckoo] freespace = "x": expected a whole number, 0 or more
problem ~/conf/cuckoo.conf:4: [api] prot is not a known key; did you mean "port"?
note    ~/conf/cuckoo.conf:5: [ap] is not a known section; did you mean "api"?
1 file in ~/conf: 2 problems, 1 note
`,
    });
    const { code, out } = await malkoha('config', 'check', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      folder: '~/conf',
      problems: [{ line: 2 }, { file: '~/conf/cuckoo.conf', line: 4 }],
      notes: [{ line: 5 }],
    });
  });

  test('reads environment variables as the daemon does', async () => {
    await mkdir(join(home, 'conf'));
    await writeFile(join(home, 'conf', 'routing.conf'), '[routing]\ninternet = %(ENV:MALKOHA_TEST_UNSET)s\n');
    expect((await malkoha('config', 'check')).out).toContain('"MALKOHA_TEST_UNSET"');
    await writeFile(join(home, 'conf', 'auxiliary.conf'), '[sniffer]\ntcpdump = %(CUCKOO_CWD)s/tcpdump\n');
    await writeFile(join(home, 'conf', 'routing.conf'), '[routing]\ninternet = %(ENV:PATH)s\n');
    expect((await malkoha('config', 'check')).out).not.toContain('known name');
  });
});

describe('init', () => {
  test('writes the files that are missing, which say nothing yet', async () => {
    await mkdir(join(home, 'conf'));
    await writeFile(join(home, 'conf', 'kvm.conf'), '[kvm]\ninterface = br9\n');
    expect((await malkoha('init')).code).toBe(0);
    expect(await conf('kvm.conf')).toBe('[kvm]\ninterface = br9\n');
    expect(await conf('cuckoo.conf')).toBe(defaultFile('cuckoo'));
    expect((await readdir(join(home, 'conf'))).sort()).toEqual(
      CONF_NAMES.map((name) => `${name}.conf`).sort(),
    );
    expect(await malkoha('init')).toEqual({ code: 0, out: '' });
    expect(await malkoha('config', 'check')).toMatchObject({ code: 0 });
  });

  test('sets what a flat file says, or writes nothing', async () => {
    const flat = join(home, 'flat.txt');
    await writeFile(flat, 'cuckoo.cuckoo.machinery = kvm\nkvm.kvm.machines = w\nkvm.w.ip = here\n');
    const refused = await malkoha('init', '--conf', flat);
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(
      /^problem ~\/conf\/kvm\.conf:\d+: \[w\] ip = "here": expected an IPv4 address\n/,
    );
    expect(await readdir(home)).toEqual(['flat.txt']);
    await writeFile(flat, 'cuckoo.cuckoo.machinery = kvm\nkvm.kvm.machines = w\nkvm.w.ip = 10.0.0.2\n');
    expect((await malkoha('init', '--conf', flat)).code).toBe(0);
    expect(await conf('kvm.conf')).toContain('# machines =\nmachines = w\n');
  });
});

describe('machine add and remove', () => {
  test('edit the file of the machinery that cuckoo.conf names', async () => {
    await mkdir(join(home, 'conf'));
    await writeFile(join(home, 'conf', 'cuckoo.conf'), '[cuckoo]\nmachinery = kvm\n');
    const added = await malkoha('machine', 'add', 'win10', 'ip=10.0.0.2', 'tags=a,b');
    expect(added).toEqual({
      code: 0,
      out: '~/conf/kvm.conf has the machine win10; workers read it when they start\n',
    });
    expect(await conf('kvm.conf')).toMatch(
      /machines = win10\n(.*\n)*\n\[win10\]\nip = 10\.0\.0\.2\ntags = a,b\n$/,
    );
    await expect(malkoha('machine', 'add', 'win10', 'ip=10.0.0.3')).rejects.toThrow(
      'has a machine win10 already',
    );
    expect((await malkoha('machine', 'remove', 'win10')).code).toBe(0);
    expect(await conf('kvm.conf')).toBe(
      defaultFile('kvm').replace('# machines =\n', '# machines =\nmachines =\n'),
    );
    await expect(malkoha('machine', 'remove', 'win10')).rejects.toThrow('has a machine "win10"');
  });
});
