import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSsh, type SshConnection } from '#ssh/ssh.js';
import { keygen, startSshd, type TestSshd } from '../support/sshd.js';
import { until } from '../support/until.js';

/** libs/ssh against OpenSSH's own server. */
const never = new AbortController().signal;
const LIMITS = { timeoutMs: 30_000, maxBytes: 1 << 20 };

describe('ssh', () => {
  let sshd: TestSshd;
  let ssh: SshConnection;
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ssh-'));
    sshd = await startSshd();
    ssh = await openSsh(sshd.target, never);
  });

  afterAll(async () => {
    await ssh[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  test('a program gets its arguments as they are, and its status and output come back', async () => {
    const odd = ['plain', 'two words', "it's", '$HOME `id` "x"', 'a\\b', '', 'über\n', '*', '~', '-n', 'A=b'];
    const printed = await ssh.exec(['printf', '%s\\0', ...odd], LIMITS, never);
    expect(printed).toMatchObject({ code: 0, stderr: Buffer.alloc(0) });
    expect(printed.stdout.toString().split('\0').slice(0, -1)).toEqual(odd);
    const failed = await ssh.exec(['sh', '-c', 'echo no >&2; exit 3'], LIMITS, never);
    expect(failed).toEqual({ code: 3, stdout: Buffer.alloc(0), stderr: Buffer.from('no\n') });
    expect((await ssh.exec(['sh', '-c', 'kill -9 $$'], LIMITS, never)).code).toBe(null);
  });

  test('many programs at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, at) => ssh.exec(['echo', String(at)], LIMITS, never)),
    );
    expect(all.map(({ stdout }) => Number(stdout.toString()))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('a program that takes too long is killed', async () => {
    const file = join(dir, 'pid');
    const endless = ['sh', '-c', 'echo $$ > "$1"; exec sleep 1000', 'sh', file];
    const hung = ssh.exec(endless, { ...LIMITS, timeoutMs: 500 }, never);
    await expect(hung).rejects.toMatchObject({
      name: 'SshError',
      kind: 'timeout',
      message: expect.stringMatching(
        /^\S+@127\.0\.0\.1:\d+: sh did not end within 500 ms$/,
      ) as unknown as string,
    });
    const alive = ['sh', '-c', 'kill -0 "$(cat "$1")"', 'sh', file];
    await until(async () => (await ssh.exec(alive, LIMITS, never)).code !== 0);
  });

  test('a cancelled program is killed', async () => {
    const file = join(dir, 'pid-cancelled');
    const cancel = new AbortController();
    const running = ssh.exec(
      ['sh', '-c', 'echo $$ > "$1"; exec sleep 1000', 'sh', file],
      LIMITS,
      cancel.signal,
    );
    await until(async () => (await readFile(file, 'utf8').catch(() => '')) !== '');
    cancel.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    const alive = ['sh', '-c', 'kill -0 "$(cat "$1")"', 'sh', file];
    await until(async () => (await ssh.exec(alive, LIMITS, never)).code !== 0);
  });

  test('a program that is cancelled as it starts is killed too', async () => {
    const mark = `7${process.pid}.25`; // nobody else sleeps that long
    const cancel = new AbortController();
    const running = ssh.exec(['sleep', mark], LIMITS, cancel.signal);
    setImmediate(() => cancel.abort(new Error('enough')));
    await expect(running).rejects.toThrow('enough');
    const list = () =>
      ssh.exec(['sh', '-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "'], LIMITS, never);
    await until(async () => !(await list()).stdout.toString().includes(`sleep ${mark}`));
  });

  test('a program that writes too much is stopped', async () => {
    const flood = ssh.exec(['cat', '/dev/zero'], { timeoutMs: 30_000, maxBytes: 100_000 }, never);
    await expect(flood).rejects.toMatchObject({ kind: 'too-long' });
    expect(
      (await ssh.exec(['head', '-c', '100000', '/dev/zero'], { ...LIMITS, maxBytes: 100_000 }, never)).stdout,
    ).toHaveLength(100_000);
  });

  test('a program is talked to; one that fails says why', async () => {
    const cat = await ssh.execDuplex(['cat'], never);
    const sent = randomBytes(3_000_000);
    cat.end(sent);
    expect((await buffer(cat)).equals(sent)).toBe(true);
    const failing = await ssh.execDuplex(['sh', '-c', 'echo not today >&2; exit 7'], never);
    await expect(text(failing)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/ended with 7: not today$/) as unknown as string,
    });
  });

  test('a unix socket on the other side', async () => {
    const path = join(dir, 'echo.sock');
    await using _server = await echo(path);
    const socket = await ssh.openUnix(path, never);
    const sent = randomBytes(3_000_000);
    socket.end(sent);
    expect((await buffer(socket)).equals(sent)).toBe(true);
    await expect(ssh.openUnix(join(dir, 'nothing.sock'), never)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('nothing.sock') as unknown as string,
    });
  });

  test('a file is fetched whole, for our eyes only, and never over another', async () => {
    const remote = join(dir, 'remote');
    for (const size of [0, 1, 32 * 1024, 5_000_001]) {
      const bytes = randomBytes(size);
      await writeFile(remote, bytes);
      const local = join(dir, `local-${size}`);
      await ssh.fetchFile(remote, local, never);
      expect((await readFile(local)).equals(bytes)).toBe(true);
      expect((await stat(local)).mode & 0o777).toBe(0o600);
      await expect(ssh.fetchFile(remote, local, never)).rejects.toMatchObject({ code: 'EEXIST' });
    }
    await expect(ssh.fetchFile(join(dir, 'none'), join(dir, 'never'), never)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/none: No such file$/) as unknown as string,
    });
    await expect(
      ssh.fetchFile('/dev/zero', join(dir, 'never'), AbortSignal.timeout(200)),
    ).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(stat(join(dir, 'never'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('what runs is told when the connection is closed', async () => {
    const second = await openSsh(sshd.target, never);
    const running = second.exec(['sleep', '1000'], LIMITS, never);
    const refused = expect(running).rejects.toMatchObject({ kind: 'closed' });
    const cat = await second.execDuplex(['cat'], never);
    await second[Symbol.asyncDispose]();
    await refused;
    expect(await text(cat)).toBe('');
    await expect(second.exec(['true'], LIMITS, never)).rejects.toMatchObject({ kind: 'closed' });
    await second[Symbol.asyncDispose]();
  });

  test('an unknown host key is refused, with the way to add it', async () => {
    const knownHosts = join(dir, 'empty');
    await writeFile(knownHosts, '# nobody\n');
    await expect(openSsh({ ...sshd.target, knownHosts }, never)).rejects.toMatchObject({
      kind: 'host-key',
      message: expect.stringMatching(
        /the server's key \(ssh-ed25519 SHA256:\S{43}\) is not in .*ssh-keyscan -p \d+ 127\.0\.0\.1 >> /,
      ) as unknown as string,
    });
  });

  test('a changed or revoked host key is refused', async () => {
    const knownHosts = join(dir, 'changed');
    keygen(join(dir, 'other'));
    const name = `[127.0.0.1]:${sshd.target.port}`;
    await writeFile(knownHosts, `${name} ${await readFile(join(dir, 'other.pub'), 'utf8')}\n`);
    await expect(openSsh({ ...sshd.target, knownHosts }, never)).rejects.toMatchObject({
      kind: 'host-key',
      message: expect.stringContaining('or somebody sits in between') as unknown as string,
    });
    await writeFile(
      knownHosts,
      `${name} ssh-ed25519 ${sshd.hostKey}\n@revoked * ssh-ed25519 ${sshd.hostKey}\n`,
    );
    await expect(openSsh({ ...sshd.target, knownHosts }, never)).rejects.toMatchObject({
      kind: 'host-key',
      message: expect.stringContaining('@revoked') as unknown as string,
    });
  });

  test('a key that nobody let in is refused, and unusable ones are named before anything is sent', async () => {
    const stranger = openSsh({ ...sshd.target, identityFile: sshd.strangerKey }, never);
    await expect(stranger).rejects.toMatchObject({
      kind: 'login',
      message: expect.stringContaining('authorized_keys') as unknown as string,
    });
    await expect(openSsh({ ...sshd.target, identityFile: join(dir, 'gone') }, never)).rejects.toMatchObject({
      kind: 'setup',
      message: expect.stringContaining('cannot be read') as unknown as string,
    });
    keygen(join(dir, 'locked'), 'ed25519', 'secret');
    await expect(openSsh({ ...sshd.target, identityFile: join(dir, 'locked') }, never)).rejects.toMatchObject(
      {
        kind: 'setup',
        message: expect.stringContaining('has a passphrase') as unknown as string,
      },
    );
    await expect(openSsh({ ...sshd.target, knownHosts: join(dir, 'gone') }, never)).rejects.toMatchObject({
      kind: 'setup',
    });
  });

  test('an agent that is not there is said so', async () => {
    const { identityFile: _, ...target } = sshd.target;
    const agent = openSsh({ ...target, identityFile: sshd.strangerKey, agent: join(dir, 'no-agent') }, never);
    await expect(agent).rejects.toMatchObject({
      kind: 'login',
      message: expect.stringContaining('(agent: ') as unknown as string,
    });
  });

  test('no server, a mute one, and a cancelled login', async () => {
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    const cancel = new AbortController();
    const login = openSsh({ ...sshd.target, port }, cancel.signal);
    const [socket] = (await once(mute, 'connection')) as [Socket];
    cancel.abort(new Error('changed my mind'));
    await expect(login).rejects.toThrow('changed my mind');
    socket.destroy();
    mute.close();
    await once(mute, 'close');
    await expect(openSsh({ ...sshd.target, port }, never)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED') as unknown as string,
    });
  });
});

async function echo(path: string): Promise<AsyncDisposable> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(path);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
