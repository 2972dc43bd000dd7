/**
 * What we need of libvirt's XML. libvirt writes it itself, in one form, with every `<` of a text escaped; so its own
 * elements are found by their tags. `<metadata>` alone is another's XML.
 */

/** In what power state a snapshot was taken; `disks`: it holds no more than disks of a machine that ran. */
export type SnapshotState = 'running' | 'off' | 'disks';

export interface SnapshotFacts {
  readonly state: SnapshotState;
  /** Its memory or a disk is in a file of its own, which libvirt before 9.9 cannot revert to. */
  readonly external: boolean;
}

/** @throws Error when the state is none that a machine can be restored to */
export function snapshotFacts(xml: string): SnapshotFacts {
  // The domain inside has elements of the same names.
  const own = withoutMetadata(xml).replace(/<(domain|inactiveDomain)[ >][^]*<\/\1>/g, '');
  return {
    state: snapshotState(/<state>([\w-]*)<\/state>/.exec(own)?.[1] ?? ''),
    external: /<(memory|disk) [^>]*snapshot=['"]external['"]/.test(own),
  };
}

/** libvirt's words: https://libvirt.org/formatsnapshot.html */
function snapshotState(word: string): SnapshotState {
  switch (word) {
    case 'running':
    case 'blocked':
    case 'paused':
      return 'running';
    case 'shutoff':
    case 'shutdown':
      return 'off';
    case 'disk-snapshot':
      return 'disks';
  }
  throw new Error(`libvirt says that it was taken in the state ${JSON.stringify(word)}`);
}

/** The domain as a revert makes it again; null: it was taken by a libvirt that did not keep it. */
export function domainOfSnapshot(xml: string): string | null {
  return /<domain[ >][^]*?<\/domain>/.exec(withoutMetadata(xml))?.[0] ?? null;
}

/** One network card, and what is behind it. */
export interface Card {
  /** libvirt's word: `bridge`, `network`, `user` …; `qemu` when it was given to QEMU past libvirt. */
  readonly type: string;
  /** Name of the bridge, of libvirt's network, or of the tap; null for other types. */
  readonly on: string | null;
}

export interface DomainFacts {
  /** In lower case, in order. */
  readonly macs: readonly string[];
  readonly cards: readonly Card[];
  readonly memoryBytes: number;
}

export function domainFacts(xml: string): DomainFacts {
  const own = withoutMetadata(xml);
  const cards = own.match(/<interface[ >](?:[^]*?<\/interface>|[^>]*\/>)/g) ?? [];
  const past = own.match(/<qemu:arg value=['"]-(?:nic|net|netdev)['"]/g) ?? [];
  const macs = cards.flatMap((card) => /<mac address=['"]([\da-f:]+)['"]/i.exec(card)?.[1] ?? []);
  // libvirt gives KiB, whatever it was given.
  const [, kib = '0'] = /<memory(?: unit=['"]KiB['"])?>(\d+)<\/memory>/.exec(own) ?? [];
  return {
    macs: macs.map((mac) => mac.toLowerCase()),
    cards: [...cards.map(cardOf), ...past.map(() => ({ type: 'qemu', on: null }))],
    memoryBytes: Number(kib) * 1024,
  };
}

const ON: Readonly<Record<string, RegExp>> = {
  bridge: /<source [^>]*bridge=['"]([^'"]*)['"]/,
  network: /<source [^>]*network=['"]([^'"]*)['"]/,
  ethernet: /<target [^>]*dev=['"]([^'"]*)['"]/,
};

function cardOf(xml: string): Card {
  const type = /^<interface [^>]*type=['"]([^'"]*)['"]/.exec(xml)?.[1] ?? '';
  return { type, on: ON[type]?.exec(xml)?.[1] ?? null };
}

function withoutMetadata(xml: string): string {
  return xml.replace(/<metadata>[^]*<\/metadata>/g, '');
}
