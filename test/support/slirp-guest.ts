import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the guest image is to QEMU; libs/guest/image/build.ts has it. */
interface Image {
  readonly kernel: string;
  readonly initrd: string;
  readonly root: string;
  readonly cmdline: string;
}

export interface Upload {
  readonly guestPath: string;
  readonly pids: readonly number[];
  content: Buffer;
  ended: boolean;
}

/** Copies between QEMU's end of a forwarded connection (standard input and output) and our result server. */
const RELAY = `
import os, socket, sys, threading
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
def up():
    for b in iter(lambda: os.read(0, 65536), b''): s.sendall(b)
    s.shutdown(1)
threading.Thread(target=up, daemon=True).start()
for b in iter(lambda: s.recv(65536), b''): os.write(1, b)
os._exit(0)
`;

/** Milliseconds the relay may take to bring what the guest has sent. */
const RELAY_LIMIT = 60_000;

/**
 * Boots the image under QEMU's own user network: the agent on a forwarded port, 10.0.2.100:2042 to a result server
 * that keeps everything by its name (`LOG` for the log). No other way out.
 */
export class SlirpGuest implements AsyncDisposable {
  readonly uploads = new Map<string, Upload>();
  private readonly sockets = new Set<Socket>();
  private readonly results = createServer((socket) => this.receive(socket));
  private folder = '';
  private port = 0;
  private qemu: ReturnType<typeof spawn> | undefined;

  static async boot(image: Image, signal: AbortSignal): Promise<SlirpGuest> {
    const guest = new SlirpGuest();
    try {
      await guest.start(image);
      await guest.answers(signal);
      return guest;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  }

  private async start(image: Image): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'guest-'));
    this.results.listen(0, '127.0.0.1');
    await once(this.results, 'listening');
    const relay = join(this.folder, 'relay.py');
    await writeFile(relay, RELAY);
    this.port = await freePort();
    const forward = `cmd:python3 -S -E ${relay} ${(this.results.address() as AddressInfo).port}`;
    const user = `user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:${this.port}-10.0.2.15:8000,guestfwd=tcp:10.0.2.100:2042-${forward}`;
    this.qemu = spawn(
      'qemu-system-x86_64',
      [
        '-accel tcg -m 512 -nodefaults -no-user-config -no-reboot -display none -vga std'.split(' '),
        ['-serial', `file:${join(this.folder, 'serial')}`],
        ['-qmp', `unix:${join(this.folder, 'qmp')},server=on,wait=off`],
        ['-kernel', image.kernel, '-initrd', image.initrd, '-append', image.cmdline],
        ['-drive', `file=${image.root},if=virtio,format=raw,readonly=on,file.locking=off`],
        ['-netdev', user, '-device', 'virtio-net-pci,netdev=n,romfile='],
      ].flat(),
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
  }

  private async answers(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.qemu?.exitCode !== null) throw new Error(`the guest ended: ${await this.serial()}`);
      try {
        await this.call('GET', '/');
        return;
      } catch {
        await sleep(200, undefined, { signal });
      }
    }
  }

  serial(): Promise<string> {
    return readFile(join(this.folder, 'serial'), 'utf8');
  }

  async call(
    method: 'GET' | 'POST',
    path: string,
    body?: URLSearchParams | FormData,
  ): Promise<Record<string, unknown>> {
    const options = body === undefined ? { method } : { method, body };
    return (await fetch(`http://127.0.0.1:${this.port}${path}`, options)).json() as Promise<
      Record<string, unknown>
    >;
  }

  /** Starts the sample; `config` are further lines of analysis.conf. */
  async analyze(
    sample: string,
    config: Readonly<Record<string, string | number>> = {},
  ): Promise<Record<string, unknown>> {
    const values = {
      id: 1,
      ip: '10.0.2.100',
      port: 2042,
      category: 'file',
      package: '',
      timeout: 120,
      ...config,
    };
    const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}`);
    const form = new FormData();
    form.set('config', ['[analysis]', ...lines].join('\n'));
    form.set('clock', String(Date.now() / 1000));
    form.set('file', new Blob([await readFile(sample)]), basename(sample));
    return this.call('POST', '/analyze', form);
  }

  /**
   * The final status, when the results are here too: QEMU's network acknowledges what the relay still has to bring,
   * so the guest is done before we have everything.
   */
  async ended(): Promise<Record<string, unknown>> {
    let status: Record<string, unknown>;
    do
      status = await this.call(
        'POST',
        '/status/wait',
        new URLSearchParams({ not: 'running', timeout: '60' }),
      );
    while (status['status'] === 'running');
    for (const end = Date.now() + RELAY_LIMIT; !this.arrived() && Date.now() < end;) await sleep(100);
    return status;
  }

  private arrived(): boolean {
    const expected = Number(/(\d+) files uploaded/.exec(this.text('LOG'))?.[1] ?? 0);
    const files = [...this.uploads.keys()].filter((name) => name.startsWith('files/')).length;
    const ended = [...this.uploads.values()].every((upload) => upload.ended);
    return this.uploads.get('LOG')?.ended === true && ended && files >= expected;
  }

  text(name: string): string {
    return this.uploads.get(name)?.content.toString() ?? '';
  }

  private receive(socket: Socket): void {
    this.sockets.add(socket);
    let bytes = Buffer.alloc(0);
    let upload: Upload | undefined;
    socket.on('data', (chunk: Buffer) => {
      if (upload !== undefined) {
        upload.content = Buffer.concat([upload.content, chunk]);
        return;
      }
      bytes = Buffer.concat([bytes, chunk]);
      const lines = bytes.toString('latin1').split('\n');
      const count = lines[0] === 'LOG' ? 1 : 4;
      if (lines.length <= count) return;
      const [command = '', path = '', guestPath = '', pids = ''] = lines;
      const length = lines.slice(0, count).join('\n').length + 1;
      upload = {
        guestPath: Buffer.from(guestPath, 'latin1').toString(),
        pids: pids.split(' ').filter(Boolean).map(Number),
        content: bytes.subarray(length),
        ended: false,
      };
      this.uploads.set(command === 'LOG' ? 'LOG' : path, upload);
    });
    socket.on('end', () => {
      if (upload !== undefined) upload.ended = true;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { qemu } = this;
    if (qemu !== undefined && qemu.exitCode === null && qemu.signalCode === null) {
      qemu.kill('SIGKILL');
      await once(qemu, 'exit');
    }
    for (const socket of this.sockets) socket.destroy();
    this.results.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
