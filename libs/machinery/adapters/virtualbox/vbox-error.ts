import type { Said } from './host.js';

/**
 * - `transient`: the machine's lock is held, or its state is changing: the same command may go well a moment later
 * - `config`: what was named is not there: a machine, a snapshot, VBoxManage itself
 * - `fatal`: everything else
 */
export type VBoxErrorKind = 'transient' | 'config' | 'fatal';

/** Callers branch on `kind`; the message is what VBoxManage said, printable and short. */
export class VBoxError extends Error {
  override readonly name = 'VBoxError';

  constructor(
    readonly kind: VBoxErrorKind,
    message: string,
    /** VBoxManage did not end in time, and was ended by us. What it was to do may be done, or be done yet. */
    readonly hung = false,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Not at the begin of a line only: a progress bar may stand before it. */
const ERROR = /VBoxManage(?:\.exe)?: error: ?([^\r\n]*)/g;

/**
 * VBOX_E_INVALID_OBJECT_STATE: locked, or being unlocked. VBOX_E_INVALID_VM_STATE: something goes on with it.
 * E_ACCESSDENIED: "The object is not ready". 0x800706be: VBoxSVC has just ended, the next command starts another.
 */
const TRANSIENT =
  /VBOX_E_INVALID_OBJECT_STATE|0x80bb0007|VBOX_E_INVALID_VM_STATE|0x80bb0002|E_ACCESSDENIED|0x80070005|NS_ERROR_CALL_FAILED|0x800706be/i;

const CONFIG = /VBOX_E_OBJECT_NOT_FOUND|0x80bb0001|does not have any snapshots/i;

/**
 * VBoxManage's exit code does not tell all: some versions end with 0 after an error. Nor does stderr: progress is
 * written there when all goes well. stdout does not count then: it may show texts of others, such as descriptions.
 *
 * @returns null when the command succeeded
 */
export function failureOf({ code, stdout, stderr }: Said): VBoxError | null {
  const errors = errorsIn(code === 0 ? stderr : `${stderr}\n${stdout}`);
  if (code === 0 && errors.length === 0) return null;
  const text = errors.length > 0 ? errors.join(' ') : `${stderr}\n${stdout}`;
  const kind = TRANSIENT.test(text) ? 'transient' : CONFIG.test(text) ? 'config' : 'fatal';
  const end = code === null ? 'it was killed' : `exit ${code}`;
  return new VBoxError(kind, printable(errors.length > 0 ? errors.slice(0, 2).join('; ') : text) || end);
}

/** A version without that sub-command. */
export function isUnknownCommand({ code, stdout, stderr }: Said): boolean {
  return code !== 0 && /Unknown sub-?command|Invalid parameter|Syntax error/i.test(`${stderr}\n${stdout}`);
}

/** Without the lines that only say where in its source VBoxManage was. */
function errorsIn(text: string): readonly string[] {
  return [...text.matchAll(ERROR)]
    .map(([, said = '']) => said)
    .filter((said) => said !== '' && !said.startsWith('Context: '));
}

/** Characters of VBoxManage's text worth showing. */
const SHOWN = 300;

/** It may have a guest's text in it, or come from a host that a guest broke into. */
export function printable(text: string): string {
  return text
    .slice(0, SHOWN * 4)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, SHOWN);
}
