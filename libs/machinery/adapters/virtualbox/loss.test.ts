import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { VBoxHost } from './host.js';
import { LossWatch } from './loss.js';
import { VBoxError } from './vbox-error.js';
import { VBoxManage } from './vboxmanage.js';

const UUID = '9883f6c3-b17d-4077-aa52-d9c49a6912a5';

describe('running machines are watched', () => {
  let state = 'running';
  let answers: 'yes' | 'no' | 'gone' = 'yes';
  let asked = 0;
  let watch: LossWatch;

  const host: VBoxHost = {
    name: 'scripted',
    async run([command], _timeoutMs, signal) {
      signal.throwIfAborted();
      asked += 1;
      if (answers === 'no') throw new VBoxError('transient', 'did not end', true);
      if (command === 'list')
        return { code: 0, stdout: state === 'running' ? `"cuckoo1" {${UUID}}\n` : '', stderr: '' };
      if (answers === 'gone')
        return { code: 1, stdout: '', stderr: 'VBoxManage: error: VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)\n' };
      return { code: 0, stdout: `VMState="${state}"\n`, stderr: '' };
    },
    makeFolder: () => Promise.reject(new Error('not asked for')),
    interfaces: async () => null,
    async [Symbol.asyncDispose]() {
      // nothing is open
    },
  };

  const looks = async (times: number) => {
    const until = asked + times;
    while (asked < until) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  const lost = (signal: AbortSignal) =>
    new Promise<unknown>((resolve) => {
      signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
    });

  beforeEach(() => {
    [state, answers, asked] = ['running', 'yes', 0];
    watch = new LossWatch(new VBoxManage(host), 2, 50);
    watch.watch('win10', UUID);
  });

  afterEach(async () => {
    await watch[Symbol.asyncDispose]();
  });

  test.each([
    ['poweroff', 'win10: it powered itself off'],
    ['aborted', 'win10: its VirtualBox process ended (aborted)'],
    ['gurumeditation', 'win10: its virtual processor met a fatal error (guru meditation)'],
  ])('%s is a loss, and is explained', async (now, message) => {
    const signal = watch.signal('win10');
    await looks(3);
    expect(signal.aborted).toBe(false);
    state = now;
    expect(await lost(signal)).toMatchObject({ code: 'GUEST_LOST', message });
  });

  test('on its way out it is not lost yet', async () => {
    state = 'stopping';
    await looks(4);
    expect(watch.signal('win10').aborted).toBe(false);
  });

  test('a machine that was unregistered is lost', async () => {
    [state, answers] = ['poweroff', 'gone'];
    expect(await lost(watch.signal('win10'))).toMatchObject({ message: 'win10: it is no longer registered' });
  });

  test('a VirtualBox that stays silent has failed them, one that was silent for a moment has not', async () => {
    answers = 'no';
    await looks(2);
    answers = 'yes';
    await looks(2);
    expect(watch.signal('win10').aborted).toBe(false);
    answers = 'no';
    expect(await lost(watch.signal('win10'))).toMatchObject({
      code: 'MACHINE_START_FAILED',
      message: 'win10: VirtualBox does not answer: did not end',
    });
  });

  test('what we stopped is not lost, and nobody is asked about it any more', async () => {
    const signal = watch.signal('win10');
    await looks(1);
    watch.reset('win10');
    state = 'poweroff';
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).toBe(before);
    expect(signal.aborted).toBe(false);
  });
});
