import { reason, SandboxError } from '#domain/errors.js';
import type { OwnMachine, PowerState } from '#domain/machine.js';
import type { Domain, DomainState, Snapshot } from '#libvirt/libvirt.js';
import { linkedSignal } from '../../linked-signal.js';
import { until, untilSettled } from '../../until.js';
import type { SnapshotState } from './facts.js';
import { connectionLost, isNotRunning, isPermanent, type Hypervisor } from './hypervisor.js';
import { loadInPlace } from './loadvm.js';
import { endOf, powerOf } from './power.js';
import { Run } from './run.js';

/** A call that loads or ends a machine. libvirt takes seconds per GiB of saved RAM, more on a slow disk. */
const LONG_CALL_MS = 110_000;

/** Ending a machine, with one libvirtd restart in between. */
const HALT_TIMEOUT_MS = 60_000;

/** A question that libvirtd answers from memory. */
const ANSWER_TIMEOUT_MS = 10_000;

/** One machine as the checks at the start found it. */
export interface Found {
  readonly machine: OwnMachine;
  readonly domain: Domain;
  readonly snapshot: Snapshot;
  readonly taken: SnapshotState;
  readonly memoryBytes: number;
}

/**
 * One domain, restored, resumed, watched and ended. libvirtd goes on with what it was asked when we are gone, be it
 * cancelled or cut off; so its state is read again after each step, never assumed.
 */
export class LibvirtGuest {
  /** It was ours to restore, start or stop: until then somebody else may use it. */
  #isOurs = false;
  /** What we know of its QEMU: restored and paused by us, or started by us since; null when it is none of ours. */
  #qemu: 'prepared' | 'used' | null = null;
  #run = new Run();
  /** The long call that libvirtd may still be busy with, though its caller has left. Never rejects. */
  #underway: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly libvirt: Hypervisor,
    readonly found: Found,
  ) {}

  get isOurs(): boolean {
    return this.#isOurs;
  }

  get lost(): AbortSignal {
    return this.#run.lost;
  }

  async prepare(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#isOurs = true;
    this.#renew();
    await this.#twice(signal, () => this.#restore(signal));
  }

  /** Loads its snapshot into the QEMU that runs since `start`. It is as good as unknown when that fails. */
  async recycle(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#run = new Run();
    const { domain, snapshot, taken } = this.found;
    try {
      if (this.#qemu !== 'used') throw new Error('it does not run, or was not started by us');
      if (taken !== 'running') throw new Error('its snapshot was taken while it was off');
      this.#qemu = null; // half-loaded, should this end here
      await this.#long(signal, (by) => loadInPlace(this.libvirt, domain, snapshot.name, by));
      await this.#expect('paused', 'after the loadvm', signal);
      this.#qemu = 'prepared';
    } catch (cause) {
      signal.throwIfAborted();
      throw this.#notStarted(cause);
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#isOurs = true;
    this.#renew();
    await this.#twice(signal, async () => {
      if (this.#qemu !== 'prepared' || (await this.#power(signal)) !== 'paused') await this.#restore(signal);
      this.#qemu = 'used';
      this.#run.begin();
      await this.#resume(signal);
    });
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#isOurs = true;
    this.#run = new Run();
    await this.#halt(signal);
  }

  async state(): Promise<PowerState> {
    try {
      return await this.#power(new AbortController().signal);
    } catch {
      return 'error'; // libvirt does not answer, or knows it no more
    }
  }

  /** Looks whether the guest that was started still runs. Events only say when to look: they may be late or missed. */
  async look(): Promise<void> {
    const run = this.#run;
    if (!run.begun) return;
    try {
      const end = endOf(await this.#ask(new AbortController().signal));
      if (end !== null) run.lose({ ...end, why: `${this.found.machine.name}: ${end.why}` });
    } catch (error) {
      // Without an answer nothing is known: the next connection looks again.
      const why = `${this.found.machine.name}: ${reason(error)}`;
      if (isPermanent(error)) run.lose({ code: 'GUEST_LOST', why });
    }
  }

  /** Once more after a forced power-off, but for what a second time cannot mend. */
  async #twice(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (first) {
      signal.throwIfAborted();
      if (isPermanent(first)) throw this.#notStarted(first);
      try {
        this.#renew();
        await this.#halt(signal);
        await work();
      } catch (cause) {
        signal.throwIfAborted();
        throw this.#notStarted(cause);
      }
    }
  }

  #notStarted(cause: unknown): SandboxError {
    const { machine, domain, snapshot } = this.found;
    const what = `the snapshot "${snapshot.name}" of the domain "${domain.name}" was not restored and started`;
    return new SandboxError('MACHINE_START_FAILED', `${machine.name}: ${what}`, { cause });
  }

  async #restore(signal: AbortSignal): Promise<void> {
    await this.#halt(signal);
    // Of a snapshot taken while off, `paused` makes a machine that has not begun to boot.
    await this.#long(signal, (by) => this.libvirt.revert(this.found.snapshot, { then: 'paused' }, by));
    await this.#expect('paused', 'after the restore', signal);
    this.#qemu = 'prepared';
  }

  async #resume(signal: AbortSignal): Promise<void> {
    using patience = linkedSignal([signal], ANSWER_TIMEOUT_MS);
    await this.libvirt.resume(this.found.domain, patience.signal);
    await this.#expect('running', 'after the resume', signal);
  }

  async #expect(wanted: PowerState, when: string, signal: AbortSignal): Promise<void> {
    const seen = await this.#ask(signal);
    if (powerOf(seen) === wanted) return;
    throw new Error(`libvirt says ${when} that it is "${seen.state}" (${seen.reason}), not ${wanted}`);
  }

  /** Ends it and reads that it is off. @throws MACHINE_STOP_FAILED */
  async #halt(signal: AbortSignal): Promise<void> {
    this.#qemu = null;
    using patience = linkedSignal([signal], HALT_TIMEOUT_MS);
    const end = () => this.#persist(patience.signal, () => this.#end(patience.signal));
    try {
      await end().catch((error: unknown) => {
        if (patience.signal.aborted || isPermanent(error)) throw error;
        return end(); // QEMU may take longer to die than libvirt waits
      });
    } catch (cause) {
      signal.throwIfAborted();
      const { machine, domain } = this.found;
      const what = `the domain "${domain.name}" cannot be ended, it is ${await this.state()}`;
      throw new SandboxError('MACHINE_STOP_FAILED', `${machine.name}: ${what}`, { cause });
    }
  }

  async #end(signal: AbortSignal): Promise<void> {
    await this.#destroy(signal);
    // A restore that its caller has left may have come after that.
    await untilSettled(this.#underway, signal);
    await this.#destroy(signal);
  }

  /** Again after each loss of the connection; a libvirtd that restarts is back within a second. */
  async #persist(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (!connectionLost(error)) throw error;
      }
      if (!this.libvirt.connected)
        await until<null>(signal, (resolve) => this.libvirt.onReconnect(() => resolve(null)));
    }
  }

  async #destroy(signal: AbortSignal): Promise<void> {
    if ((await this.#power(signal)) === 'off') return;
    try {
      await this.libvirt.destroy(this.found.domain, signal);
    } catch (error) {
      if (!isNotRunning(error)) throw error; // it ended by itself meanwhile
    }
    await this.#expect('off', 'after its end', signal);
  }

  /** Bounds a long call by a time of its own: the caller may leave, libvirtd still does it. */
  async #long<T>(signal: AbortSignal, call: (by: AbortSignal) => Promise<T>): Promise<T> {
    const limit = linkedSignal([], LONG_CALL_MS);
    const underway = call(limit.signal).finally(() => limit[Symbol.dispose]());
    this.#underway = underway.catch(() => undefined);
    return await untilSettled(underway, signal);
  }

  async #power(signal: AbortSignal): Promise<PowerState> {
    return powerOf(await this.#ask(signal));
  }

  async #ask(signal: AbortSignal): Promise<DomainState> {
    using patience = linkedSignal([signal], ANSWER_TIMEOUT_MS);
    return await this.libvirt.state(this.found.domain, patience.signal);
  }

  /** A lost run is over; who asked about the next one already keeps its signal. */
  #renew(): void {
    if (this.#run.begun) this.#run = new Run();
  }
}
