import { SandboxError } from '#domain/errors.js';
import type { Found } from './guest.js';
import { isNotRunning, type Hypervisor } from './hypervisor.js';

const PICTURES = [/^P6\s/, /^\x89PNG\r\n/];

/** What the first screen shows: PPM, or PNG from newer QEMUs. */
export async function screenshot(
  libvirt: Hypervisor,
  { machine, domain }: Pick<Found, 'machine' | 'domain'>,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    const { data } = await libvirt.screenshot(domain, signal);
    if (PICTURES.some((picture) => picture.test(data.toString('latin1', 0, 8)))) return data;
  } catch (cause) {
    signal.throwIfAborted();
    if (isNotRunning(cause))
      throw new SandboxError(
        'GUEST_LOST',
        `${machine.name} shows no screen: it is off, or has no video card`,
        {
          cause,
        },
      );
    throw cause;
  }
  throw new SandboxError('PROTOCOL_VIOLATION', `${machine.name}: its screenshot is neither PPM nor PNG`);
}
