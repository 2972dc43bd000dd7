import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { OwnMachine } from '#domain/machine.js';
import type { Finding } from '../../apps/finding.js';
import { domainXml, labMac } from '../support/libvirt-domain.js';
import { LibvirtLab } from '../support/libvirt-lab.js';
import { build, ROOT } from '../support/malkoha.js';

/** The guest image may have to be built, and its machines boot once. */
jest.setTimeout(600_000);

const MEMORY_MB = 512;
const patience = () => AbortSignal.timeout(300_000);
/** What a machine is in kvm.conf. */
type Section = Readonly<Record<string, string | number>>;

describe('doctor, inside a network with a real libvirt', () => {
  let lab: LibvirtLab;

  beforeAll(async () => {
    await build();
    lab = await LibvirtLab.open({ count: 2, memoryMb: MEMORY_MB }, AbortSignal.timeout(590_000));
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const machine = (index: number): OwnMachine => {
    const known = lab.machines[index];
    if (known === undefined) throw new Error(`the lab has no machine ${index}`);
    return known;
  };
  const section = ({ label, ip, snapshot }: OwnMachine, changes: Section = {}): Section => ({
    ...{ label, platform: 'linux', ip, snapshot: snapshot ?? '' },
    ...changes,
  });

  /** What it says of machines that are so configured. */
  async function doctor(machines: Readonly<Record<string, Section>>): Promise<readonly Finding[]> {
    const dir = await mkdtemp(join(tmpdir(), 'dr-'));
    const lines = Object.entries(machines).map(
      ([name, keys]) =>
        `[${name}]\n${Object.entries(keys)
          .map(([key, value]) => `${key} = ${value}`)
          .join('\n')}\n`,
    );
    const files = {
      'cuckoo.conf': '[cuckoo]\nmachinery = kvm\n[resultserver]\nip = 10.77.0.1\n[timeouts]\nvm_state = 5\n',
      // No rooter here: guests are left to the host's firewall, which lets all through.
      'routing.conf': '[routing]\nroute = none\nnone = host\n',
      'kvm.conf': `[kvm]\ninterface = br0\nmachines = ${Object.keys(machines).join(', ')}\n${lines.join('')}`,
    };
    await mkdir(join(dir, 'conf'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'conf', name), text);
    const main = join(ROOT, 'dist/apps/cli/main.js');
    const child = lab.run([process.execPath, main, 'doctor', '--json', '--home', dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    await once(child, 'close');
    await rm(dir, { recursive: true });
    return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings;
  }

  const of = (found: readonly Finding[], name: string) => found.filter((one) => one.machine === name);
  const brief = (found: readonly Finding[], name: string) =>
    of(found, name).map(({ check, status }) => `${check} ${status}`);
  const fault = (found: readonly Finding[], name: string) =>
    of(found, name).find(({ status }) => status === 'fail');

  test('a sound machine, one that libvirt does not know, and one with the address of another', async () => {
    const twin = { ...machine(0), name: 'twin', label: 'twin', ip: '10.77.0.33' };
    const xml = join(lab.dir, 'twin.xml');
    await writeFile(xml, domainXml(twin, lab.image, MEMORY_MB).replace(labMac(twin), labMac(machine(0))));
    await lab.virsh(patience(), 'define', xml);
    const found = await doctor({
      linux1: section(machine(0)),
      ghost: { ip: '10.77.0.44' },
      twin: section(twin, { snapshot: '' }),
    });
    await lab.virsh(patience(), 'undefine', 'twin');
    expect(found.filter(({ machine: name, status }) => name === undefined && status === 'fail')).toEqual([]);
    expect(found.find(({ check }) => check === 'libvirt')?.found).toMatch(
      /qemu:\/\/\/system answers, version/,
    );
    expect(brief(found, 'linux1')).toEqual([
      'hypervisor ok',
      'interface ok',
      'restore ok',
      'start ok',
      'network card ok',
      'agent port ok',
      'agent ok',
      'result server ok',
      'clock ok',
      'stop ok',
    ]);
    expect(of(found, 'linux1').find(({ check }) => check === 'network card')?.found).toContain(
      labMac(machine(0)),
    );
    expect(fault(found, 'ghost')).toMatchObject({
      check: 'hypervisor',
      found: expect.stringMatching(/no domain "ghost".*it has .*linux1/),
      fix: expect.stringContaining('[ghost] of kvm.conf'),
    });
    expect(fault(found, 'twin')).toMatchObject({
      check: 'hardware address',
      found: expect.stringContaining('is also that of linux1'),
    });
    expect(of(found, 'twin').at(-1)?.found).toContain(
      'virsh -c qemu:///system snapshot-create-as twin clean',
    );
  });

  test('a snapshot that is not there, and a guest with another address', async () => {
    const found = await doctor({
      linux1: section(machine(0), { snapshot: 'monday' }),
      linux2: section(machine(1), { ip: '10.77.0.99' }),
    });
    expect(fault(found, 'linux1')).toMatchObject({
      check: 'hypervisor',
      found: expect.stringMatching(
        /no snapshot "monday"; it has clean, off\. Start the domain.*snapshot-create-as linux1 monday/,
      ),
    });
    expect(fault(found, 'linux2')).toMatchObject({
      check: 'network card',
      found: expect.stringContaining('nobody answers for 10.77.0.99 on br0'),
    });
    expect(brief(found, 'linux2').slice(-2)).toEqual(['stop ok', 'the rest skipped']);
  });

  test('a snapshot taken while off, and a card that is on another interface', async () => {
    const found = await doctor({
      linux1: section(machine(0), { snapshot: 'off' }),
      linux2: section(machine(1), { interface: 'virbr7' }),
    });
    expect(of(found, 'linux1')[0]).toMatchObject({
      check: 'snapshot',
      status: 'warn',
      found: expect.stringContaining('taken while it was off'),
    });
    expect(fault(found, 'linux2')).toMatchObject({
      check: 'hypervisor',
      found: expect.stringMatching(/has its network card on br0, and interface = virbr7/),
    });
  });

  test('an agent on another port, and results that go where nobody is', async () => {
    const found = await doctor({
      linux1: section(machine(0), { agent_port: 8001 }),
      linux2: section(machine(1), { resultserver_ip: '10.77.0.200' }),
    });
    expect(fault(found, 'linux1')).toMatchObject({
      check: 'agent port',
      found: expect.stringContaining('nothing listens on 10.77.0.11:8001'),
    });
    expect(fault(found, 'linux2')).toMatchObject({
      check: 'result server',
      found: expect.stringContaining('this host has no address 10.77.0.200'),
    });
  });
});
