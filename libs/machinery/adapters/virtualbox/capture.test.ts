import { expect, test } from '@jest/globals';
import { Captures } from './capture.js';
import type { HostFolder, Said, VBoxHost } from './host.js';
import { VBoxManage } from './vboxmanage.js';

const patience = () => AbortSignal.timeout(5_000);

/** A VBoxManage whose capture has `bytes`, and answers `nictrace1 off` as told. */
class Host implements VBoxHost {
  readonly name = 'VBoxManage';
  readonly calls: string[] = [];
  bytes = 0;
  off: Said = { code: 0, stdout: '', stderr: '' };
  lost = false;

  async run(args: readonly string[]): Promise<Said> {
    const call = args.slice(2).join(' ');
    this.calls.push(call);
    return call === 'nictrace1 off' ? this.off : { code: 0, stdout: '', stderr: '' };
  }

  async makeFolder(): Promise<HostFolder> {
    return {
      path: (name) => name,
      size: async () => this.bytes,
      read: async () => Buffer.alloc(0),
      take: async () => {
        if (this.lost) throw new Error('has 5 bytes, 4 are the most');
        this.calls.push('take');
      },
      [Symbol.asyncDispose]: async () => void this.calls.push('remove'),
    };
  }

  interfaces = async () => null;
  async [Symbol.asyncDispose]() {}
}

const BEGIN = ['nictracefile1 nic1.pcap', 'nictrace1 on'];

function opened(host: Host) {
  const problems: string[] = [];
  let tell = () => {};
  const told = new Promise<void>((resolve) => (tell = resolve));
  const onProblem = (what: string) => {
    problems.push(what);
    tell();
  };
  const captures = new Captures(new VBoxManage(host), 100, 1);
  const capture = captures.open({ vm: 'vm', running: true, path: '/pcap', onProblem }, patience());
  return { capture, problems, told };
}

test('a capture that is full is ended while the machine runs, and says so', async () => {
  const host = new Host();
  const { capture, problems, told } = opened(host);
  await using open = await capture;
  host.bytes = 100;
  await told;
  expect(host.calls).toEqual([...BEGIN, 'nictrace1 off']);
  expect(problems).toEqual([expect.stringContaining('ended at 100 bytes')]);
  expect(await open.finish()).toEqual({ omitted: 1 });
  expect(host.calls.slice(-2)).toEqual(['take', 'remove']);
});

test('one that cannot be ended is tried again, and told once', async () => {
  const host = new Host();
  host.off = { code: 1, stdout: '', stderr: 'VBoxManage: error: Code E_FAIL (0x80004005)' };
  host.bytes = 100;
  const { capture, problems, told } = opened(host);
  await using open = await capture;
  await told;
  const offs = () => host.calls.filter((call) => call === 'nictrace1 off').length;
  while (offs() < 3) await new Promise((resolve) => setImmediate(resolve));
  expect(problems).toEqual([expect.stringContaining('is not held to 100 bytes: ')]);
  expect(await open.finish()).toEqual({ omitted: 0 });
});

test('one that ends before is whole; finishing it again says the same', async () => {
  const host = new Host();
  const { capture, problems } = opened(host);
  const open = await capture;
  expect(await open.finish()).toEqual({ omitted: 0 });
  await open[Symbol.asyncDispose]();
  expect(host.calls).toEqual([...BEGIN, 'nictrace1 off', 'take', 'remove']);
  expect(problems).toEqual([]);
});

test('one that is lost is CAPTURE_FAILED for whoever finishes it; its folder is removed all the same', async () => {
  const host = new Host();
  host.lost = true;
  await using open = await opened(host).capture;
  await expect(open.finish()).rejects.toMatchObject({
    code: 'CAPTURE_FAILED',
    message: 'the capture is lost: has 5 bytes, 4 are the most',
  });
  expect(host.calls.at(-1)).toBe('remove');
});
