import { setMaxListeners } from 'node:events';
import { reason, SandboxError } from '#domain/errors.js';
import type { Finding } from './finding.js';

/** What a process of the lab tells the one that supervises it, over Node's IPC channel. */
export type ChildMessage =
  | { readonly kind: 'progress'; readonly line: string; readonly lasting: boolean }
  | { readonly kind: 'ready'; readonly url?: string }
  /** It ends because an operator said so: it is not to be started again. */
  | { readonly kind: 'drained' }
  /** What a check found: of `malkoha doctor`. */
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly help: string };

/** Tells the supervisor; does nothing in a process started by hand. */
export function tell(message: ChildMessage): void {
  // A supervisor that is gone is noticed by `disconnect`; what we wanted to say has no reader then.
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}

/** Handing back takes seconds; a supervisor waits a little longer than this before it kills. */
const LONGEST_END_MS = 18_000;

/**
 * Aborts when the process is asked to end: SIGTERM, SIGINT, or a supervisor that went away (kill -9 included:
 * the IPC channel closes with it). A second signal is left to its default: at once.
 */
export function shutdownSignal(): AbortSignal {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // every run of a busy worker listens to it
  const end = (why: string) => () => controller.abort(new Error(why));
  // Ctrl-C on a terminal reaches the whole process group; under a supervisor its word counts, not the terminal's.
  if (process.send === undefined) process.once('SIGINT', end('interrupted'));
  else process.on('SIGINT', () => {});
  process.once('SIGTERM', end('asked to end'));
  process.once('disconnect', end('the supervisor is gone'));
  // A terminal that closes tells the whole group; the supervisor passes on what it makes of it.
  if (process.send !== undefined) process.on('SIGHUP', () => {});
  controller.signal.addEventListener('abort', () => {
    // Whatever hangs (a Redis that is gone, a disk), an end that was asked for comes.
    setTimeout(() => process.exit(1), LONGEST_END_MS).unref();
  });
  // Killed while this process was still loading: nobody was listening for `disconnect` yet.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-boolean-literal-compare -- undefined without a supervisor
  if (process.connected === false) end('the supervisor is gone')();
  return controller.signal;
}

/** Runs a process's main function: a failure is told in one sentence with its remedy, and ends it with 1. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const known = error instanceof SandboxError ? error : null;
    const message = reason(error);
    tell({ kind: 'failed', code: known?.code ?? 'INTERNAL', message, help: known?.help ?? '' });
    if (process.send === undefined)
      process.stderr.write(`malkoha: ${message}\n${known === null ? '' : `         ${known.help}\n`}`);
    process.exitCode = 1;
    if (process.connected) process.disconnect();
  }
}
