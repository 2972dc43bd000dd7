import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DEFAULT_ADDRESSES, ipToNumber, macToBytes } from './addresses.js';
import { checksum, pseudoHeaderSum, sumWords } from './checksum.js';
import { systemClock } from './clock.js';
import { ETHERNET_BYTES, ETHERTYPE } from './ethernet.js';
import { FrameReader, FrameWriter } from './framing.js';
import { IPV4_BYTES, type Ipv4Packet, parseIpv4, PROTOCOL, writeIpv4 } from './ipv4.js';
import type { ConnectionClass } from './tcp-types.js';
import { optionBytes, parseSegment, type Segment, TCP_BYTES, writeSegment } from './tcp-segment.js';
import { TcpStack } from './tcp-stack.js';
import { buildUdp } from './udp.js';

/** The connections of a guest with an ordinary Ethernet. */
export const GUEST_CLASS: ConnectionClass = {
  receiveWindow: 512 * 1024,
  sendBuffer: 512 * 1024,
  mss: 1460,
  idleMs: Infinity,
  max: 100_000,
};

/**
 * The other end of the socket: a guest in a few lines, made of the same stack, for tests and the benchmark. It knows its
 * gateway's MAC and listens on the ports it is told.
 */
export class FakeGuest {
  readonly tcp: TcpStack;
  /** Every frame that arrived, when a test asks for them. */
  onFrame: (frame: Buffer) => void = () => undefined;
  onAccept: (stream: Duplex, port: number) => void = (stream) => void stream.destroy();
  readonly listening = new Set<number>();
  private readonly writer: FrameWriter;
  private readonly ip = ipToNumber(DEFAULT_ADDRESSES.guestIp);
  private readonly header = Buffer.concat([
    macToBytes(DEFAULT_ADDRESSES.gatewayMac),
    macToBytes(DEFAULT_ADDRESSES.guestMac),
    Buffer.from([ETHERTYPE.ipv4 >> 8, ETHERTYPE.ipv4 & 255]),
  ]);
  private nextPort = 33_000;

  private constructor(
    readonly socket: Socket,
    private readonly kind: ConnectionClass,
  ) {
    this.writer = new FrameWriter(
      (bytes, done) => socket.write(bytes, done),
      () => this.tcp.room(),
    );
    this.tcp = new TcpStack({
      clock: systemClock,
      busy: () => this.writer.busy,
      flush: () => this.writer.flush(),
      admit: (_ip, port) => (this.listening.has(port) ? kind : 'refuse'),
      accepted: (stream) => this.onAccept(stream, stream.localPort),
      transmit: ({ localIp, localPort, remoteIp, remotePort }, segment, connection) => {
        const length = TCP_BYTES + optionBytes(segment) + segment.length;
        const at = this.begin(remoteIp, PROTOCOL.tcp, length);
        const { view, bytes } = this.writer;
        const payload = writeSegment(view, at, { source: localPort, destination: remotePort }, segment);
        connection?.copyPayload(segment, bytes, payload);
        const pseudo = pseudoHeaderSum(localIp, remoteIp, PROTOCOL.tcp, length);
        view.setUint16(at + 16, checksum(pseudo + sumWords(view, at, at + length)));
      },
    });
    const packet: Ipv4Packet = { source: 0, destination: 0, protocol: 0, start: 0, end: 0 };
    const segment = { ...EMPTY };
    const reader = new FrameReader((bytes, view, start, end) => {
      this.onFrame(Buffer.from(bytes.subarray(start, end)));
      if (view.getUint16(start + 12) !== ETHERTYPE.ipv4) return;
      if (parseIpv4(view, start + ETHERNET_BYTES, end, packet) !== null) return;
      if (packet.protocol !== PROTOCOL.tcp) return;
      segment.bytes = bytes;
      if (parseSegment(view, packet.start, packet.end, segment)) this.tcp.input(packet, segment);
    });
    socket.on('data', (chunk: Buffer) => this.tcp.batch(() => reader.push(chunk)));
    socket.on('error', () => undefined);
  }

  static async connect(socketPath: string, kind: ConnectionClass = GUEST_CLASS): Promise<FakeGuest> {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    return new FakeGuest(socket, kind);
  }

  /** @throws the connection's error when it is refused */
  async dial(ip: string, port: number, localPort = this.nextPort++): Promise<Duplex> {
    const stream = this.tcp.dial(
      { localIp: this.ip, localPort, remoteIp: ipToNumber(ip), remotePort: port },
      this.kind,
    );
    await once(stream, 'connect');
    return stream;
  }

  udp(ip: string, port: number, payload: Buffer, sourcePort = 5000): void {
    const destination = ipToNumber(ip);
    this.ip4(
      destination,
      PROTOCOL.udp,
      buildUdp({ source: this.ip, sourcePort, destination, destinationPort: port, payload }),
    );
  }

  ip4(destination: number, protocol: number, payload: Buffer): void {
    payload.copy(this.writer.bytes, this.begin(destination, protocol, payload.length));
    this.writer.flush();
  }

  /** A frame as it is. */
  raw(frame: Buffer): void {
    frame.copy(this.writer.bytes, this.writer.begin(frame.length));
    this.writer.flush();
  }

  /** As when QEMU is killed. */
  kill(): void {
    this.writer.close();
    this.tcp.drop(new Error('killed'));
    this.tcp.close();
    this.socket.destroy();
  }

  private begin(destination: number, protocol: number, payloadBytes: number): number {
    const at = this.writer.begin(ETHERNET_BYTES + IPV4_BYTES + payloadBytes);
    this.header.copy(this.writer.bytes, at);
    const header = { source: this.ip, destination, protocol, id: 1, payloadBytes };
    writeIpv4(this.writer.view, at + ETHERNET_BYTES, header);
    return at + ETHERNET_BYTES + IPV4_BYTES;
  }
}

const EMPTY: Segment = {
  sourcePort: 0,
  destinationPort: 0,
  seq: 0,
  ack: 0,
  flags: 0,
  window: 0,
  mss: 0,
  scale: -1,
  bytes: Buffer.alloc(0),
  start: 0,
  end: 0,
};
