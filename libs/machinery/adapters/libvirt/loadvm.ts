import type { Domain } from '#libvirt/libvirt.js';
import type { Hypervisor } from './hypervisor.js';

/** What QEMU's monitor takes as one word. */
const PLAIN_NAME = /^[\w.-]{1,200}$/;

/**
 * Loads an internal snapshot into the QEMU that runs, and leaves it paused: no new process, so several times faster
 * than a revert, but a guest that broke out into its QEMU is still there. libvirt marks the domain as tainted.
 */
export async function loadInPlace(
  libvirt: Hypervisor,
  domain: Domain,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (!PLAIN_NAME.test(name)) {
    throw new Error(
      `loadvm takes no snapshot named ${JSON.stringify(name)}: only letters, digits, "_", "." and "-"`,
    );
  }
  await libvirt.suspend(domain, signal); // QEMU leaves a paused guest paused
  const command = { execute: 'human-monitor-command', arguments: { 'command-line': `loadvm ${name}` } };
  const answer = await libvirt.monitorCommand(domain, command, signal);
  const said = (answer as { return?: unknown } | null)?.return;
  if (said !== '') throw new Error(`QEMU did not load "${name}": ${JSON.stringify(said).slice(0, 300)}`);
}
