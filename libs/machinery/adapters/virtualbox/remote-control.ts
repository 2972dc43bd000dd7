import { reason, SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import { printable } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

export interface RemoteScreen {
  readonly protocol: 'rdp';
  /** As the host that VirtualBox runs on sees it. */
  readonly host: string;
  readonly port: number;
}

const COMMAND_MS = 20_000;

/** Only programs of the host itself reach a screen: VRDE asks nobody for a password, and listens everywhere by default. */
const ADDRESS = '127.0.0.1';

/** VirtualBox's remote display. Restoring a snapshot shuts it again, unless the snapshot has it open. */
export class RemoteControl {
  readonly #wanted = new Set<string>();

  constructor(
    private readonly manage: VBoxManage,
    private readonly ports: string | null,
  ) {}

  set({ name }: Machine, wanted: 'on' | 'off'): void {
    if (wanted === 'off') this.#wanted.delete(name);
    else if (this.ports !== null && /^[0-9-]+(,[0-9-]+)*$/.test(this.ports)) this.#wanted.add(name);
    else
      throw new SandboxError(
        'CONFIG_INVALID',
        `${name}: no remote control: [virtualbox] controlports in virtualbox.conf is ${JSON.stringify(this.ports ?? '')}, and should be ports such as 5000-5050`,
      );
  }

  /** Before the machine is started. @throws MACHINE_START_FAILED */
  async apply({ name }: Machine, vm: string, signal: AbortSignal): Promise<void> {
    if (!this.#wanted.has(name) || this.ports === null) return;
    const settings = [
      '--vrde',
      'on',
      '--vrdemulticon',
      'on',
      '--vrdeport',
      this.ports,
      '--vrdeaddress',
      ADDRESS,
    ];
    try {
      await this.manage.patiently(['modifyvm', vm, ...settings], COMMAND_MS, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw new SandboxError(
        'MACHINE_START_FAILED',
        `${name}: no remote control: ${printable(reason(cause))}`,
        { cause },
      );
    }
  }

  /** VirtualBox says port -1 when its extension pack, which has the server, is missing. */
  async screen(vm: string, signal: AbortSignal): Promise<RemoteScreen | null> {
    const info = await this.manage.info(vm, signal);
    const port = Number(info.get('vrdeport'));
    if (info.get('vrde') !== 'on' || !Number.isInteger(port) || port < 1 || port > 65_535) return null;
    return { protocol: 'rdp', host: ADDRESS, port };
  }
}
