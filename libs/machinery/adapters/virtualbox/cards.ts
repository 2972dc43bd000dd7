import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { printable } from './vbox-error.js';

/** Kinds of networks whose packets pass an interface of the host, and the key that names it. */
const ADAPTERS: Readonly<Record<string, string>> = {
  hostonly: 'hostonlyadapter1',
  bridged: 'bridgeadapter1',
};

/**
 * A packet that leaves by another network card than the first, or by another interface than the configured one, meets no
 * rule and is in no capture.
 *
 * @param info what showvminfo says of the machine
 * @param isHere whether VirtualBox's interfaces are those of this host; else only the number of cards is known to matter
 * @throws CONFIG_INVALID naming what there is, what must be, and what to do
 */
export function mustHaveCard(
  machine: Pick<OwnMachine, 'name' | 'label' | 'interface'>,
  { info, isHere }: { readonly info: ReadonlyMap<string, string>; readonly isHere: boolean },
): void {
  const cards = [...info].filter(([key, type]) => /^nic\d+$/.test(key) && type !== 'none');
  const [first] = cards;
  const fix = (args: string) =>
    `run VBoxManage modifyvm ${JSON.stringify(machine.label)} ${args}, and take the snapshot again`;
  if (first?.[0] !== 'nic1' || cards.length > 1) {
    const all = cards.map(([key, type]) => `${key} ${printable(type)}`).join(', ') || 'none';
    const others = cards.filter(([key]) => key !== 'nic1').map(([key]) => `--${key} none`);
    const args = ['--nic1 hostonly --hostonlyadapter1 vboxnet0', ...others];
    const way = fix((first?.[0] === 'nic1' ? others : args).join(' '));
    throw invalid(machine, `it must have one network card, nic1, and has ${all}: ${way}`);
  }
  const { interface: wanted } = machine;
  if (wanted === '' || !isHere) return;
  const [, type] = first;
  const on = info.get(ADAPTERS[type] ?? '');
  if (on === wanted) return;
  const is = `nic1 is ${printable(type)}${on === undefined ? '' : ` on "${printable(on)}"`}`;
  const way = fix(`--nic1 hostonly --hostonlyadapter1 ${wanted}`);
  const other = on === undefined ? '' : `; or write interface = ${printable(on)}`;
  throw invalid(machine, `${is}, and interface = ${wanted}: ${way} (bridged: --bridgeadapter1)${other}`);
}

function invalid({ name }: Pick<OwnMachine, 'name'>, what: string): SandboxError {
  return new SandboxError('CONFIG_INVALID', `virtualbox.conf: [${name}] ${what}`);
}
