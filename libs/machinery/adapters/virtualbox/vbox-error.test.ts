import { describe, expect, test } from '@jest/globals';
import { failureOf, isUnknownCommand, printable } from './vbox-error.js';

const said = (code: number | null, stderr: string, stdout = '') => ({ code, stdout, stderr });

const api = (text: string, code: string) =>
  `VBoxManage: error: ${text}\nVBoxManage: error: Details: code ${code}, component MachineWrap, interface IMachine\n` +
  'VBoxManage: error: Context: "LockMachine(a->session, LockType_Write)" at line 640 of file VBoxManageModifyVM.cpp\n';

describe('what VBoxManage says is judged', () => {
  test.each([
    ['progress on stderr', said(0, '0%...10%...20%...100%\n')],
    ['nothing', said(0, '')],
    ['a text of somebody else on stdout', said(0, '', 'description="VBoxManage: error: none"\n')],
  ])('%s is no failure', (_what, result) => {
    expect(failureOf(result)).toBeNull();
  });

  test.each([
    [
      'the lock race',
      said(1, api('The machine is already locked', 'VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)')),
      'transient',
    ],
    [
      'a change of state',
      said(1, api('The object is not ready', 'E_ACCESSDENIED (0x80070005)')),
      'transient',
    ],
    [
      'a missing machine',
      said(1, api('Could not find a registered machine', 'VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)')),
      'config',
    ],
    ['no snapshots, on stdout', said(1, '', 'This machine does not have any snapshots\n'), 'config'],
    ['exit 0 with an error', said(0, api('Oops', 'E_FAIL (0x80004005)')), 'fatal'],
    ['an error behind progress', said(0, '0%...VBoxManage.exe: error: Oops\r\n'), 'fatal'],
    ['nothing but an exit code', said(1, ''), 'fatal'],
    ['a death', said(null, ''), 'fatal'],
  ])('%s is one', (_what, result, kind) => {
    expect(failureOf(result)).toMatchObject({ kind, hung: false });
  });

  test('its message is what was said, without the place in the source', () => {
    const failure = failureOf(
      said(1, api("The machine 'x' is locked", 'VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)')),
    );
    expect(failure?.message).toBe(
      "The machine 'x' is locked; Details: code VBOX_E_INVALID_OBJECT_STATE (0x80bb0007), component MachineWrap, interface IMachine",
    );
    expect(failureOf(said(1, ''))?.message).toBe('exit 1');
    expect(failureOf(said(null, ''))?.message).toBe('it was killed');
  });

  test('a sub-command that this version has not is told from one that failed', () => {
    expect(isUnknownCommand(said(2, 'VBoxManage: error: Unknown subcommand: dumpvmcore\n'))).toBe(true);
    expect(isUnknownCommand(said(1, "VBoxManage: error: Machine 'x' is not currently running.\n"))).toBe(
      false,
    );
  });

  test('what is shown of it is short and printable', () => {
    expect(printable('a\x1b[31m\r\nb\u202e')).toBe('a [31m b');
    expect(printable('x'.repeat(10_000))).toHaveLength(300);
  });
});
