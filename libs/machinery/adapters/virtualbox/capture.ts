import { reason, SandboxError } from '#domain/errors.js';
import { printable, VBoxError } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

const COMMAND_MS = 20_000;

/** For a capture to be fetched from another host. */
const FETCH_MS = 120_000;

/** Most bytes of a capture that are taken. */
const MAX_CAPTURE = 4 * 2 ** 30;

/**
 * VirtualBox's own capture of the machine's first network card (`nictrace`), in pcap format. The file is at `path` once
 * the capture has been disposed of; when it could not be had, `failed` is told why.
 *
 * @throws CAPTURE_FAILED
 */
export async function capture(
  manage: VBoxManage,
  { vm, path, failed }: { vm: string; path: string; failed: (why: string) => void },
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const folder = await manage.host.makeFolder(path, signal);
  try {
    await manage.patiently(['controlvm', vm, 'nictracefile1', folder.path('nic1.pcap')], COMMAND_MS, signal);
    await manage.patiently(['controlvm', vm, 'nictrace1', 'on'], COMMAND_MS, signal);
  } catch (cause) {
    await folder[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw new SandboxError('CAPTURE_FAILED', `VirtualBox does not capture: ${printable(reason(cause))}`, {
      cause,
    });
  }
  return {
    async [Symbol.asyncDispose]() {
      try {
        await end(manage, vm);
        await folder.take('nic1.pcap', path, MAX_CAPTURE, AbortSignal.timeout(FETCH_MS));
      } catch (error) {
        failed(`the capture is lost: ${printable(reason(error))}`);
      } finally {
        await folder[Symbol.asyncDispose]();
      }
    },
  };
}

/** A machine that is off has ended its capture. */
async function end(manage: VBoxManage, vm: string): Promise<void> {
  try {
    await manage.once(['controlvm', vm, 'nictrace1', 'off'], COMMAND_MS, AbortSignal.timeout(COMMAND_MS));
  } catch (error) {
    if (!(error instanceof VBoxError)) throw error;
  }
}
