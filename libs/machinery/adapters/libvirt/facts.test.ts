import { describe, expect, test } from '@jest/globals';
import { domainFacts, snapshotFacts } from './facts.js';

const domain = (inside: string) => `<domain type='kvm' id='4'>
  <name>win10</name>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <devices>${inside}</devices>
</domain>`;

const snapshot = (own: string) => `<domainsnapshot>
  <name>clean</name>
  ${own}
  ${domain("<disk type='file' snapshot='external'/><state>shutoff</state>")}
</domainsnapshot>`;

describe('snapshots', () => {
  test.each([
    ['running', 'running'],
    ['paused', 'running'],
    ['shutoff', 'off'],
    ['disk-snapshot', 'disks'],
  ])('taken in the state %s', (word, state) => {
    const xml = snapshot(`<state>${word}</state><memory snapshot='internal'/>`);
    expect(snapshotFacts(xml)).toEqual({ state, external: false });
  });

  test('external memory or disks are seen; those of the domain inside are not the snapshot’s', () => {
    const memory = "<state>running</state><memory snapshot='external' file='/m'/>";
    expect(snapshotFacts(snapshot(memory)).external).toBe(true);
    const disk = "<state>shutoff</state><disks><disk name='vda' snapshot='external' type='file'/></disks>";
    expect(snapshotFacts(snapshot(disk)).external).toBe(true);
  });

  test.each(['crashed', '', 'pmsuspended'])('a state "%s" is refused', (word) => {
    expect(() => snapshotFacts(snapshot(`<state>${word}</state>`))).toThrow(JSON.stringify(word));
  });
});

describe('domains', () => {
  test('all of the RAM, the addresses of network cards', () => {
    const cards = `<interface type='bridge'><mac address='52:54:00:AB:00:01'/></interface>
      <interface type='network'><source network='default'/><mac address="52:54:00:ab:00:02"/></interface>`;
    expect(domainFacts(domain(cards))).toEqual({
      macs: ['52:54:00:ab:00:01', '52:54:00:ab:00:02'],
      cards: [
        { type: 'bridge', on: null },
        { type: 'network', on: 'default' },
      ],
      memoryBytes: 2 * 2 ** 30,
    });
  });

  test('what others put into the metadata is not the domain', () => {
    const xml = `<domain><metadata><x><interface><mac address='aa:aa:aa:aa:aa:aa'/></interface></x></metadata></domain>`;
    expect(domainFacts(xml)).toEqual({ macs: [], cards: [], memoryBytes: 0 });
  });
});
