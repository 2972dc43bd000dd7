import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import { pause } from './pause.js';
import { observe, settled, type Observed } from './states.js';
import { printable, VBoxError } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

/** A machine as configured, and VirtualBox's UUID of it: names may change, or begin with `-`. */
export interface Vm {
  /** Of the machine, for messages. */
  readonly name: string;
  readonly uuid: string;
  /** Name or UUID; null = the current one. */
  readonly snapshot: string | null;
}

/** A power-off takes 1 to 5 s, and has been seen never to end. */
const POWEROFF_MS = 20_000;
/** Kills the machine's process. */
const EMERGENCY_MS = 10_000;
const PAUSE_MS = 200;

/** How machines are restored, started and powered off. `timeoutMs` is what one change of state may take. */
export class Power {
  constructor(
    private readonly manage: VBoxManage,
    private readonly mode: 'headless' | 'gui',
    private readonly timeoutMs: number,
  ) {}

  /**
   * The machine, which must be off, is as its snapshot has it: saved when that was taken of a running machine, else
   * powered off.
   *
   * @throws MACHINE_START_FAILED
   */
  async restore({ name, uuid, snapshot }: Vm, signal: AbortSignal): Promise<Observed> {
    const what = snapshot === null ? ['restorecurrent'] : ['restore', snapshot];
    let last = 'unknown';
    try {
      using patience = deadline(this.timeoutMs, signal);
      await this.manage.patiently(['snapshot', uuid, ...what], this.timeoutMs / 2, patience.signal);
      const seen = await settled(this.manage, uuid, patience.signal, ({ word }) => (last = word));
      if (seen.power === 'off') return seen;
      throw new Error(`its state is then ${printable(seen.word)}`);
    } catch (cause) {
      signal.throwIfAborted();
      const which = snapshot === null ? 'the current snapshot' : `snapshot ${JSON.stringify(snapshot)}`;
      throw this.#failed('MACHINE_START_FAILED', `${name}: ${which} was not restored`, { cause, last });
    }
  }

  /** Starts the machine, which must be off, and waits until it runs. @throws MACHINE_START_FAILED */
  async start({ name, uuid }: Vm, signal: AbortSignal): Promise<void> {
    let last = 'unknown';
    try {
      using patience = deadline(this.timeoutMs, signal);
      const by = patience.signal;
      const failure = await this.#launched(uuid, by);
      const seen = await settled(this.manage, uuid, by, ({ word }) => (last = word));
      if (seen.power === 'running') return;
      throw failure ?? new Error(`its state is ${printable(seen.word)} right after its start`);
    } catch (cause) {
      signal.throwIfAborted();
      throw this.#failed('MACHINE_START_FAILED', `${name} did not start`, { cause, last });
    }
  }

  /** A startvm that failed or hung may have started the machine all the same: its state tells. */
  async #launched(uuid: string, signal: AbortSignal): Promise<VBoxError | null> {
    const up = async () => (await observe(this.manage, uuid, signal)).power !== 'off';
    try {
      // Less than all of the time: a hung command must leave some to look, and to begin anew.
      await this.manage.patiently(['startvm', uuid, '--type', this.mode], this.timeoutMs / 3, signal, up);
      return null;
    } catch (error) {
      if (error instanceof VBoxError) return error;
      throw error;
    }
  }

  /**
   * Powers the machine off, by force when it must be, and waits until VirtualBox has unlocked it: its state says so
   * some time before, and what comes next would be refused.
   *
   * @throws MACHINE_STOP_FAILED
   */
  async off({ name, uuid }: Vm, signal: AbortSignal): Promise<Observed> {
    const failures: unknown[] = [];
    for (const { args, ms } of [
      { args: ['controlvm', uuid, 'poweroff'], ms: POWEROFF_MS },
      { args: ['startvm', uuid, '--type', 'emergencystop'], ms: EMERGENCY_MS },
    ]) {
      try {
        using patience = deadline(Math.min(ms, this.timeoutMs), signal);
        return await this.#offBy(args, uuid, patience.signal, (error) => failures.unshift(error));
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    throw this.#failed('MACHINE_STOP_FAILED', `${name} is not off`, { cause: failures[0], last: null });
  }

  /** Gives the command again and again until the machine is off. */
  async #offBy(
    args: readonly string[],
    uuid: string,
    signal: AbortSignal,
    refused: (error: VBoxError) => void,
  ): Promise<Observed> {
    for (;;) {
      const seen = await observe(this.manage, uuid, signal);
      if (seen.power === 'off') {
        await this.manage.snapshots(uuid, signal); // needs the lock
        return seen;
      }
      try {
        await this.manage.once(args, POWEROFF_MS, signal);
      } catch (error) {
        if (!(error instanceof VBoxError)) throw error;
        refused(error); // off by now, on its way, or between two states: the next look tells
        await pause(PAUSE_MS, signal);
      }
    }
  }

  #failed(
    code: 'MACHINE_START_FAILED' | 'MACHINE_STOP_FAILED',
    what: string,
    { cause, last }: { cause: unknown; last: string | null },
  ): SandboxError {
    if (cause instanceof DOMException && cause.name === 'TimeoutError' && last !== null) {
      const ms = Math.round(this.timeoutMs);
      return new SandboxError(
        code,
        `${what} within ${ms} ms; its state was last seen as ${printable(last)}`,
        {
          cause,
        },
      );
    }
    return new SandboxError(code, `${what}: ${printable(reason(cause))}`, { cause });
  }
}
