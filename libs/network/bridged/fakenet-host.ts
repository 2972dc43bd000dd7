import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { SandboxError } from '#domain/errors.js';
import type { CertificateAuthority } from '../fakenet/ca.js';
import type { FakenetPorts } from '../rooter/protocol.js';
import { KNOWN_TCP, KNOWN_UDP } from './fakenet-ports.js';
import { FakenetSession, type FakenetTask } from './fakenet-session.js';

/**
 * The built-in fake internet for guests on bridges: sockets on one address of the host, that of the result server, to
 * which the rooter turns what those guests send. A guest is its address; whoever has no open task is hung up on.
 */
export class FakenetHost implements AsyncDisposable {
  private readonly sessions = new Map<string, FakenetSession>();
  private readonly servers: Server[] = [];
  private readonly udpSockets: UdpSocket[] = [];
  private made: FakenetPorts | null = null;

  private constructor(
    readonly address: string,
    private readonly ca: CertificateAuthority,
  ) {}

  /** @throws CONFIG_INVALID when this host has no such address */
  static async listen(address: string, ca: CertificateAuthority): Promise<FakenetHost> {
    const host = new FakenetHost(address, ca);
    try {
      await host.bind();
      return host;
    } catch (cause) {
      await host[Symbol.asyncDispose]();
      if ((cause as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw cause;
      const what = `the fake internet cannot listen on ${address}: this host has no such address (is its interface up?)`;
      throw new SandboxError('CONFIG_INVALID', what, { cause });
    }
  }

  /** For the rooter. */
  get ports(): FakenetPorts {
    if (this.made === null) throw new TypeError('it does not listen yet');
    return this.made;
  }

  /**
   * What the guest of this address sends belongs to the task from now on.
   *
   * @throws NO_DISK_SPACE or CAPTURE_FAILED when the task's file cannot be made
   */
  async open(task: FakenetTask): Promise<FakenetSession> {
    const { guestIp } = task;
    if (this.sessions.has(guestIp)) throw new Error(`a task of ${guestIp} is open already`);
    const session = await FakenetSession.open(task, this.ca, () => {
      if (this.sessions.get(guestIp) === session) this.sessions.delete(guestIp);
    });
    this.sessions.set(guestIp, session);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.udpSockets) socket.close();
    this.udpSockets.length = 0;
    await Promise.all([...this.sessions.values()].map((session) => session[Symbol.asyncDispose]()));
    await Promise.all(closed);
    this.servers.length = 0;
  }

  private async bind(): Promise<void> {
    const tcp: Record<string, number> = {};
    for (const port of KNOWN_TCP) tcp[port] = await this.listenTcp(port);
    const udp: Record<string, number> = {};
    for (const port of KNOWN_UDP) udp[port] = await this.listenUdp(port);
    this.made = { tcp, anyTcp: await this.listenTcp(null), udp };
  }

  private async listenTcp(port: number | null): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.accepted(socket, port));
    this.servers.push(server);
    server.listen(0, this.address);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  private accepted(socket: Socket, port: number | null): void {
    const session = this.sessions.get(socket.remoteAddress ?? '');
    if (session !== undefined) {
      session.accept(socket, port);
      return;
    }
    socket.on('error', () => undefined);
    socket.destroy();
  }

  private async listenUdp(port: number): Promise<number> {
    const socket = createSocket('udp4');
    this.udpSockets.push(socket);
    socket.bind(0, this.address);
    await once(socket, 'listening');
    // An answer that cannot be sent is one that the guest does not get.
    socket.on('error', () => undefined);
    socket.on('message', (payload, { address, port: from }) => {
      const reply = this.sessions.get(address)?.datagram(payload, from, { at: this.address, port });
      if (reply !== undefined && reply !== null) socket.send(reply, from, address, () => undefined);
    });
    return socket.address().port;
  }
}
