import { describe, expect, test } from '@jest/globals';
import type { OwnMachine } from '#domain/machine.js';
import { aMachine } from '../../../../test/support/machine.js';
import { domainXml, FakeHypervisor, fakeDomain, RUNNING } from './hypervisor.fake.js';
import { libvirtMachinery } from './libvirt.js';
import { findAll } from './preflight.js';

const patience = () => AbortSignal.timeout(5_000);
const own = (name: string, changes: Partial<OwnMachine> = {}): OwnMachine => ({
  ...aMachine(name),
  snapshot: 'clean',
  interface: 'virbr0',
  options: [],
  agentPort: 8000,
  ...changes,
});
const taken = (state: string, more = '') => ({
  snapshots: { clean: `<domainsnapshot><state>${state}</state>${more}</domainsnapshot>` },
});
const refusal = async (libvirt: FakeHypervisor, ...machines: OwnMachine[]) =>
  await findAll(libvirt, { machines, isHere: true }, patience()).then(
    () => 'nothing was refused',
    (error: unknown) => (error as Error).message,
  );

test('the named snapshot, or the current one', async () => {
  const both = { clean: taken('running').snapshots.clean, off: taken('shutoff').snapshots.clean };
  const libvirt = new FakeHypervisor({
    a: fakeDomain('02:00:00:00:00:01', { snapshots: both, current: 'off' }),
  });
  const [named] = await findAll(libvirt, { machines: [own('a')], isHere: true }, patience());
  expect(named).toMatchObject({ snapshot: { name: 'clean' }, taken: 'running', memoryBytes: 8192 });
  const [current] = await findAll(
    libvirt,
    { machines: [own('a', { snapshot: null })], isHere: true },
    patience(),
  );
  expect(current).toMatchObject({ snapshot: { name: 'off' }, taken: 'off' });
});

test('a snapshot that is missing is never replaced by another; the command that makes it is given', async () => {
  const libvirt = new FakeHypervisor({ 'my vm': fakeDomain('02:00:00:00:00:01', { current: 'clean' }) });
  expect(await refusal(libvirt, own('a', { label: 'my vm', snapshot: 'gone' }))).toBe(
    'a: the domain "my vm" has no snapshot "gone"; it has clean. Start the domain, wait until its agent answers, ' +
      "then run: virsh -c qemu:///system snapshot-create-as 'my vm' gone",
  );
  const bare = new FakeHypervisor({ a: fakeDomain('02:00:00:00:00:01', { snapshots: {} }) });
  expect(await refusal(bare, own('a', { snapshot: null }))).toContain(
    'has no current snapshot; it has none.',
  );
});

test('all that is wrong is said at once', async () => {
  const libvirt = new FakeHypervisor({
    a: fakeDomain('02:00:00:00:00:01'),
    b: fakeDomain('02:00:00:00:00:01'),
    c: { ...fakeDomain(''), xml: domainXml('') },
  });
  const said = await refusal(libvirt, own('a'), own('b'), own('c'), own('d'));
  expect(said.split('\n')).toEqual([
    expect.stringContaining('b: its MAC address 02:00:00:00:00:01 is also that of a;'),
    'c: the domain "c" has no network card',
    'd: qemu:///system has no domain "d" (`label` in kvm.conf); it has a, b, c',
  ]);
});

test('one domain is one machine', async () => {
  const libvirt = new FakeHypervisor({ a: fakeDomain('02:00:00:00:00:01') });
  expect(await refusal(libvirt, own('a'), own('b', { label: 'a' }))).toBe(
    'b: the domain "a" is already the machine a',
  );
});

test('snapshots that cannot be restored are refused', async () => {
  const refused = (state: string, more = '') =>
    refusal(new FakeHypervisor({ a: fakeDomain('02:00:00:00:00:01', taken(state, more)) }), own('a'));
  expect(await refused('disk-snapshot')).toContain('without its memory');
  expect(await refused('running', "<memory snapshot='external' file='/m'/>")).toContain('is external');
  expect(await refused('pmsuspended')).toContain('in the state "pmsuspended"');
});

test('external ones are taken where libvirt reverts to them', async () => {
  const external = taken('running', "<memory snapshot='external' file='/m'/>");
  const libvirt = new FakeHypervisor({ a: fakeDomain('02:00:00:00:00:01', external) });
  libvirt.libVersion = async () => 9_009_000;
  expect(await findAll(libvirt, { machines: [own('a')], isHere: true }, patience())).toHaveLength(1);
});

test('nothing is stopped when one machine is refused', async () => {
  const libvirt = new FakeHypervisor({ a: fakeDomain('02:00:00:00:00:01', { state: RUNNING }) });
  const machines = [own('a'), own('b')];
  const opening = libvirtMachinery({ libvirt, machines, loadvm: false, files: 'here' }, patience());
  await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(libvirt.calls).toEqual([]);
  expect(libvirt.listeners).toBe(0);
});

describe('network cards', () => {
  const bridge = (name: string) => `<interface type='bridge'><source bridge='${name}'/></interface>`;
  const network = (name: string) => `<interface type='network'><source network='${name}'/></interface>`;
  const user = "<interface type='user'><mac address='02:00:00:00:00:02'/></interface>";
  const withCards = (now: string, then: string | null = null) => {
    const inside = then === null ? '' : domainXml(then);
    return new FakeHypervisor({ a: { ...fakeDomain(''), xml: domainXml(now), ...taken('running', inside) } });
  };
  const fine = 'nothing was refused';

  test.each([
    ['on the configured bridge', bridge('virbr0')],
    ['of a network of that bridge', network('default')],
    ['with a tap that is the interface', "<interface type='ethernet'><target dev='virbr0'/></interface>"],
  ])('one %s', async (_, card) => {
    expect(await refusal(withCards(card), own('a'))).toBe(fine);
  });

  test.each([
    ['on another bridge', bridge('br9'), 'its network card on br9, and interface = virbr0 in kvm.conf'],
    ['of user mode', user, 'a network of the type "user"'],
    ['of macvtap', "<interface type='direct'><source dev='virbr0'/></interface>", 'of the type "direct"'],
    ['of an unknown network', network('lan'), 'libvirt\'s network "lan"'],
    ['beside another', bridge('virbr0') + user, '2 network cards (virbr0, a network of the type "user")'],
    [
      'given past libvirt',
      `${bridge('virbr0')}<qemu:commandline><qemu:arg value='-nic'/></qemu:commandline>`,
      '2 network cards (virbr0, a network of the type "qemu")',
    ],
  ])('one %s is refused', async (_, cards, why) => {
    expect(await refusal(withCards(cards), own('a'))).toContain(why);
  });

  test('both names and both ways out are told', async () => {
    expect(await refusal(withCards(network('default')), own('a', { interface: 'br0' }))).toBe(
      'a: the domain "a", as its snapshot "clean" has it, has its network card on libvirt\'s network "default", which is ' +
        "virbr0, and interface = br0 in kvm.conf: make it an <interface type='bridge'> with <source bridge='br0'/> (virsh edit a)" +
        ', or write interface = virbr0 in [a] of kvm.conf; then take the snapshot again',
    );
  });

  test('those of the snapshot count, for it is reverted to', async () => {
    expect(await refusal(withCards(bridge('virbr0'), bridge('br9')), own('a'))).toContain('on br9');
    expect(await refusal(withCards(bridge('br9'), bridge('virbr0')), own('a'))).toBe(fine);
  });

  test('of another host, or without an interface, only their number is known to matter', async () => {
    expect(await refusal(withCards(user), own('a', { interface: '' }))).toBe(fine);
    const machines = [own('a')];
    expect(await findAll(withCards(bridge('br9')), { machines, isHere: false }, patience())).toHaveLength(1);
    const two = findAll(withCards(user + user), { machines, isHere: false }, patience());
    await expect(two).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
