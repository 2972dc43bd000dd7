import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import type { Report } from '#domain/report.js';
import { dropperIsSeen } from '../support/dropper.js';
import { LibvirtLab } from '../support/libvirt-lab.js';
import { build, makeHome, ROOT, SAMPLES, type Home } from '../support/malkoha.js';

/** Guests are installed under libvirt at the first run, and everything runs emulated. */
jest.setTimeout(900_000);

const patience = () => AbortSignal.timeout(300_000);

const result = z.object({ status: z.string(), report: z.string() });

/** As an operator has them after `malkoha init`, with two machines of their own. */
const KVM = `[kvm]
dsn = qemu:///system
interface = br0
machines = linux1, linux2
[linux1]
platform = linux
ip = 10.77.0.11
snapshot = clean
[linux2]
platform = linux
ip = 10.77.0.12
snapshot = clean
`;

const ROUTING = '[routing]\nroute = inetsim\n';

describe('an analysis on a machine of libvirt, behind a bridge', () => {
  let lab: LibvirtLab;
  let home: Home;
  let report: Report;
  let rooter: ReturnType<LibvirtLab['run']>;

  beforeAll(async () => {
    await build();
    lab = await LibvirtLab.open({ count: 2 }, AbortSignal.timeout(600_000));
    home = await makeHome('[resultserver]\nip = 10.77.0.1\nport = 2042\n[cuckoo]\nmachinery = kvm\n');
    const conf = join(home.dir, 'conf');
    await mkdir(conf, { recursive: true });
    await writeFile(join(conf, 'kvm.conf'), KVM);
    await writeFile(join(conf, 'routing.conf'), ROUTING);
    rooter = lab.run([join(ROOT, 'malkoha'), 'rooter', '--home', home.dir]);
    await said(rooter, /the rooter listens/);
  });

  afterAll(async () => {
    rooter.kill();
    await once(rooter, 'close');
    await lab[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  test('ends with a report', async () => {
    const sample = join(SAMPLES, 'dropper.sh');
    const argv = [join(ROOT, 'malkoha'), 'analyze', '--json', sample];
    const document = result.parse(JSON.parse(await lab.exec([...argv, '--home', home.dir], patience())));
    expect(document.status).toBe('reported');
    report = JSON.parse(await readFile(document.report, 'utf8')) as Report;
    expect(report.info.machine).toMatchObject({ manager: 'kvm' });
  });

  dropperIsSeen(() => report);

  test('the guest is cut off again: no chain of a task is left, the rooter still stands', async () => {
    const rules = await lab.exec(['nft', 'list', 'ruleset'], patience());
    expect(rules).toContain('chain b_input');
    expect(rules).not.toMatch(/chain t_\d/);
  });
});

async function said(child: ReturnType<LibvirtLab['run']>, what: RegExp): Promise<void> {
  let text = '';
  const found = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (what.test(text)) resolve();
      });
    child.once('close', () => reject(new Error(`the program ended:\n${text}`)));
  });
  await found;
}
