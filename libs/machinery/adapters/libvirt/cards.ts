import type { OwnMachine } from '#domain/machine.js';
import { LIBVIRT_CODES } from '#libvirt/error.js';
import type { Card } from './facts.js';
import { isCode, type Hypervisor } from './hypervisor.js';

/**
 * What keeps a guest with these network cards from being captured and routed as its machine is configured, and what to do
 * about it; null: nothing. A packet that leaves by another card than the configured one meets no rule.
 *
 * @param isHere whether libvirt's interfaces are those of this host; else only the number of cards is known to matter
 */
export async function wrongCards(
  libvirt: Pick<Hypervisor, 'networkBridge'>,
  machine: Pick<OwnMachine, 'name' | 'label' | 'interface'>,
  { cards, isHere }: { readonly cards: readonly Card[]; readonly isHere: boolean },
  signal: AbortSignal,
): Promise<string | null> {
  const { label, interface: wanted } = machine;
  const [card] = cards;
  if (cards.length !== 1 || card === undefined) {
    const all = cards.map(described).join(', ');
    return `${cards.length} network cards (${all}), and only one is captured and routed: remove the others (virsh edit ${label})`;
  }
  if (wanted === '' || !isHere) return null;
  const on = await interfaceOf(libvirt, card, signal);
  if (on === wanted) return null;
  const where = on === null || on === card.on ? described(card) : `${described(card)}, which is ${on}`;
  const source = `<interface type='bridge'> with <source bridge='${wanted}'/>`;
  const other = on === null ? '' : `, or write interface = ${on} in [${machine.name}] of kvm.conf`;
  return `its network card on ${where}, and interface = ${wanted} in kvm.conf: make it an ${source} (virsh edit ${label})${other}`;
}

/** The interface of libvirt's host that the card's packets pass; null: none that can be told, or none at all. */
async function interfaceOf(
  libvirt: Pick<Hypervisor, 'networkBridge'>,
  { type, on }: Card,
  signal: AbortSignal,
): Promise<string | null> {
  if (type !== 'network' || on === null) return on;
  try {
    return await libvirt.networkBridge(on, signal);
  } catch (error) {
    // There is no such network, or it has no bridge.
    if (isCode(error, LIBVIRT_CODES.noNetwork, LIBVIRT_CODES.internal)) return null;
    throw error;
  }
}

function described({ type, on }: Card): string {
  if (on === null) return `a network of the type "${type}"`;
  return type === 'network' ? `libvirt's network "${on}"` : on;
}
