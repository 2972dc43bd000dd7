import type { VBoxHost } from './host.js';
import { parseList, parseMachineReadable, type Listed } from './machine-readable.js';
import { pause } from './pause.js';
import { failureOf, isUnknownCommand, VBoxError } from './vbox-error.js';

/** Questions are answered in 50–100 ms, on a busy host in seconds. */
const QUESTION_MS = 20_000;

/** Waits between tries while something else has the machine's lock. An unlocking takes up to some seconds. */
const PAUSES_MS = [100, 200, 300, 400, 500, 500, 500, 500, 500, 500, 500, 500];

/** VBoxManage's commands, judged by what they say; see VBoxError. */
export class VBoxManage {
  constructor(readonly host: VBoxHost) {}

  /** Runs a command once. @throws VBoxError */
  async once(args: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<string> {
    const said = await this.host.run(args, timeoutMs, signal);
    const failure = failureOf(said);
    if (failure !== null) throw failure;
    return said.stdout;
  }

  /**
   * Runs a command, and again while another one has the lock; a hung one is tried once more. `done` is asked before
   * each new try: a command that failed may have done its work all the same.
   *
   * @throws VBoxError
   */
  async patiently(
    args: readonly string[],
    timeoutMs: number,
    signal: AbortSignal,
    done?: () => Promise<boolean>,
  ): Promise<string> {
    let hung = 0;
    for (const ms of [...PAUSES_MS, null]) {
      try {
        return await this.once(args, timeoutMs, signal);
      } catch (error) {
        if (!(error instanceof VBoxError) || error.kind !== 'transient' || ms === null) throw error;
        if (await done?.()) return '';
        if (error.hung && ++hung > 1) throw error;
      }
      await pause(ms, signal);
    }
    throw new Error('unreachable: the last pause is null');
  }

  async version(signal: AbortSignal): Promise<string> {
    return await this.once(['-v'], QUESTION_MS, signal);
  }

  async list(which: 'vms' | 'runningvms', signal: AbortSignal): Promise<readonly Listed[]> {
    return parseList(await this.once(['list', which], QUESTION_MS, signal));
  }

  /** What showvminfo says of a machine. */
  async info(vm: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return parseMachineReadable(
      await this.patiently(['showvminfo', vm, '--machinereadable'], QUESTION_MS, signal),
    );
  }

  /** Values as of `info`; none when there is no snapshot. Has to lock the machine, so it waits until that can be. */
  async snapshots(vm: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    try {
      const args = ['snapshot', vm, 'list', '--machinereadable'];
      return parseMachineReadable(await this.patiently(args, QUESTION_MS, signal));
    } catch (error) {
      if (error instanceof VBoxError && /does not have any snapshots/.test(error.message)) return new Map();
      throw error;
    }
  }

  /**
   * Writes the machine's RAM to a new file, by whichever sub-command this version has: `dumpguestcore` became
   * `dumpvmcore` in VirtualBox 5.
   */
  async dump(vm: string, path: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const said = await this.host.run(['debugvm', vm, 'dumpvmcore', '--filename', path], timeoutMs, signal);
    if (isUnknownCommand(said)) {
      await this.once(['debugvm', vm, 'dumpguestcore', '--filename', path], timeoutMs, signal);
      return;
    }
    const failure = failureOf(said);
    if (failure !== null) throw failure;
  }
}
