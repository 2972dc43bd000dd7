import type { Socket } from 'node:net';
import { type AddressPlan, ipToNumber, macToBytes } from './addresses.js';
import { ARP_FRAME_BYTES, parseArp, writeArp } from './arp.js';
import { checksum, pseudoHeaderSum, sumWords } from './checksum.js';
import type { Clock } from './clock.js';
import { answerDhcp, DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from './dhcp.js';
import { ETHERNET_BYTES, ETHERTYPE, isBroadcast, isMac } from './ethernet.js';
import { FrameReader, FrameWriter, viewOf } from './framing.js';
import { answerIcmp } from './icmp.js';
import { IPV4_BYTES, type Ipv4Packet, parseIpv4, PROTOCOL, writeIpv4 } from './ipv4.js';
import type { TcpConnection } from './tcp-connection.js';
import type { ConnectionClass, Endpoints } from './tcp-types.js';
import {
  optionBytes,
  type Outgoing,
  parseSegment,
  type Segment,
  TCP_BYTES,
  writeSegment,
} from './tcp-segment.js';
import { type Admission, TcpStack } from './tcp-stack.js';
import type { TcpStream } from './tcp-stream.js';
import { buildUdp, type Datagram, parseUdp } from './udp.js';

/** What a guest meets beyond ARP and DHCP. All of it may change while the link is up. */
export interface World {
  /** Takes every frame that is no control traffic, both ways. */
  captured(bytes: Buffer, start: number, end: number): void;
  /** Is this the agent's or the result channel's? */
  isControl(localIp: number, localPort: number, guestPort: number): boolean;
  admit(destination: number, port: number): Admission;
  accepted(stream: TcpStream, kind: ConnectionClass): void;
  /** Returns the payload of the answer, or null for silence. */
  datagram(datagram: Datagram): Buffer | null;
  /** May an echo request be answered? */
  answersPing(): boolean;
}

/** Frames that were not acted upon. All of them are in the capture. */
export interface LinkCounters {
  malformed: number;
  badChecksum: number;
  fragments: number;
  /** Sent by another address than the guest's, or to a MAC that is not ours. */
  foreign: number;
  /** Replies not sent, because the guest does not take its frames. */
  unsent: number;
}

const MULTICAST_FIRST = ipToNumber('224.0.0.0');
const BROADCAST_MAC = Buffer.alloc(6, 0xff);

/** One QEMU process: its frames in and out, and the connections over them. A new process gets a new link. */
export class GuestLink {
  readonly tcp: TcpStack;
  readonly counters: LinkCounters = { malformed: 0, badChecksum: 0, fragments: 0, foreign: 0, unsent: 0 };
  private readonly reader = new FrameReader((bytes, view, start, end) => this.frame(bytes, view, start, end));
  private readonly writer: FrameWriter;
  private readonly gatewayMac: Buffer;
  private readonly gatewayMacView: DataView;
  private readonly gateway: number;
  private readonly guest: number;
  private readonly localBroadcast: number;
  private guestMac: Buffer;
  private packetId = 0;
  private readonly packet: Ipv4Packet = { source: 0, destination: 0, protocol: 0, start: 0, end: 0 };
  private readonly segment: Segment = {
    sourcePort: 0,
    destinationPort: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    window: 0,
    mss: 0,
    scale: -1,
    bytes: BROADCAST_MAC,
    start: 0,
    end: 0,
  };

  constructor(
    private readonly socket: Socket,
    private readonly plan: AddressPlan,
    private readonly world: World,
    clock: Clock,
  ) {
    this.gatewayMac = macToBytes(plan.gatewayMac);
    this.gatewayMacView = viewOf(this.gatewayMac);
    this.guestMac = macToBytes(plan.guestMac);
    this.gateway = ipToNumber(plan.gatewayIp);
    this.guest = ipToNumber(plan.guestIp);
    this.localBroadcast = (this.guest | ~ipToNumber(plan.netmask)) >>> 0;
    this.writer = new FrameWriter(
      (bytes, done) => socket.write(bytes, done),
      () => this.tcp.room(),
    );
    this.tcp = new TcpStack({
      clock,
      busy: () => this.writer.busy,
      transmit: (endpoints, segment, payload) => this.transmit(endpoints, segment, payload),
      admit: (destination, port) => world.admit(destination, port),
      accepted: (stream, kind) => world.accepted(stream, kind),
      flush: () => this.writer.flush(),
    });
    socket.on('data', (chunk: Buffer) => this.chunk(chunk));
  }

  /** Asks for the guest's MAC: it may not be the planned one. */
  greet(): void {
    const at = this.begin(ARP_FRAME_BYTES);
    const us = { mac: this.gatewayMac, ip: this.gateway };
    writeArp(this.writer.bytes, at, us, { mac: BROADCAST_MAC, ip: this.guest });
    this.captured(at, ARP_FRAME_BYTES);
    this.writer.flush();
  }

  /** Everything over this link ends with `error`. */
  close(error: Error): void {
    this.writer.close();
    this.tcp.drop(error);
    this.tcp.close();
    this.socket.destroy();
  }

  private chunk(chunk: Buffer): void {
    try {
      this.tcp.batch(() => this.reader.push(chunk));
    } catch (cause) {
      this.socket.destroy(cause instanceof Error ? cause : new Error(String(cause)));
    }
  }

  private frame(bytes: Buffer, view: DataView, start: number, end: number): void {
    if (end - start < ETHERNET_BYTES) {
      this.counters.malformed++;
      return;
    }
    switch (view.getUint16(start + 12)) {
      case ETHERTYPE.ipv4:
        this.ipv4(bytes, view, start, end);
        return;
      case ETHERTYPE.arp:
        this.world.captured(bytes, start, end);
        this.arp(bytes, view, start, end);
        return;
      default:
        // IPv6 among others: seen, kept, not answered.
        this.world.captured(bytes, start, end);
    }
  }

  private arp(bytes: Buffer, view: DataView, start: number, end: number): void {
    const arp = parseArp(view, start, end);
    if (arp === null) {
      this.counters.malformed++;
      return;
    }
    const sender = Buffer.from(bytes.subarray(arp.senderMacAt, arp.senderMacAt + 6));
    if (arp.senderIp === this.guest) this.guestMac = sender;
    // Its own address, asked or announced: duplicate address detection must find nobody.
    if (arp.operation === 'reply' || arp.targetIp === this.guest || arp.targetIp === arp.senderIp) return;
    if (this.full()) return;
    const at = this.begin(ARP_FRAME_BYTES);
    const us = { mac: this.gatewayMac, ip: arp.targetIp };
    writeArp(this.writer.bytes, at, us, { mac: sender, ip: arp.senderIp });
    this.captured(at, ARP_FRAME_BYTES);
  }

  private ipv4(bytes: Buffer, view: DataView, start: number, end: number): void {
    const { packet } = this;
    const problem = parseIpv4(view, start + ETHERNET_BYTES, end, packet);
    if (problem !== null) {
      this.world.captured(bytes, start, end);
      if (problem === 'malformed') this.counters.malformed++;
      else if (problem === 'checksum') this.counters.badChecksum++;
      else this.counters.fragments++;
      return;
    }
    if (packet.protocol === PROTOCOL.tcp) {
      this.tcpSegment(bytes, view, start, end);
      return;
    }
    this.world.captured(bytes, start, end);
    const toUs = isMac(view, start, this.gatewayMacView);
    if (
      packet.protocol === PROTOCOL.udp &&
      (toUs || isBroadcast(view, start) || this.isGroup(packet.destination))
    ) {
      this.udp(bytes, view);
    } else if (packet.protocol === PROTOCOL.icmp && toUs && this.isFromGuest() && this.world.answersPing()) {
      const reply = answerIcmp(bytes, view, packet.start, packet.end);
      if (reply !== null) this.sendIp(packet.destination, packet.source, PROTOCOL.icmp, reply);
    } else if (!toUs || !this.isFromGuest()) {
      this.counters.foreign++;
    }
  }

  private isFromGuest(): boolean {
    return this.packet.source === this.guest;
  }

  private isGroup(ip: number): boolean {
    return ip >= MULTICAST_FIRST || ip === this.localBroadcast;
  }

  private tcpSegment(bytes: Buffer, view: DataView, start: number, end: number): void {
    const { packet, segment, world, counters } = this;
    const whole = parseSegment(view, packet.start, packet.end, segment);
    segment.bytes = bytes;
    const control =
      whole &&
      this.isFromGuest() &&
      world.isControl(packet.destination, segment.destinationPort, segment.sourcePort);
    if (!control) world.captured(bytes, start, end);
    if (!whole) counters.malformed++;
    else if (
      !this.isFromGuest() ||
      !isMac(view, start, this.gatewayMacView) ||
      this.isGroup(packet.destination)
    ) {
      counters.foreign++;
    } else if (!isWhole(view, packet)) counters.badChecksum++;
    else this.tcp.input(packet, segment);
  }

  private udp(bytes: Buffer, view: DataView): void {
    const datagram = parseUdp(bytes, view, this.packet);
    if (datagram === null) {
      this.counters.malformed++;
      return;
    }
    if (datagram.destinationPort === DHCP_SERVER_PORT && datagram.sourcePort === DHCP_CLIENT_PORT) {
      const payload = answerDhcp(datagram.payload, this.plan);
      if (payload === null) return;
      this.sendUdp({
        source: this.gateway,
        sourcePort: DHCP_SERVER_PORT,
        // A renewing client has its address; one without any hears only broadcasts.
        destination: datagram.source === this.guest ? this.guest : 0xffffffff,
        destinationPort: DHCP_CLIENT_PORT,
        payload,
      });
      return;
    }
    if (!this.isFromGuest()) {
      this.counters.foreign++;
      return;
    }
    const payload = this.world.datagram(datagram);
    if (payload === null || this.isGroup(datagram.destination)) return;
    this.sendUdp({
      source: datagram.destination,
      sourcePort: datagram.destinationPort,
      destination: datagram.source,
      destinationPort: datagram.sourcePort,
      payload,
    });
  }

  private sendUdp(datagram: Datagram): void {
    this.sendIp(datagram.source, datagram.destination, PROTOCOL.udp, buildUdp(datagram));
  }

  private sendIp(source: number, destination: number, protocol: number, payload: Buffer): void {
    if (this.full()) return;
    const at = this.beginIp(source, destination, protocol, payload.length);
    payload.copy(this.writer.bytes, at + ETHERNET_BYTES + IPV4_BYTES);
    this.captured(at, ETHERNET_BYTES + IPV4_BYTES + payload.length);
  }

  private transmit(endpoints: Endpoints, segment: Outgoing, connection: TcpConnection | null): void {
    if (this.full()) return;
    const { localIp, localPort, remoteIp, remotePort } = endpoints;
    const tcpBytes = TCP_BYTES + optionBytes(segment) + segment.length;
    const at = this.beginIp(localIp, remoteIp, PROTOCOL.tcp, tcpBytes);
    const { view, bytes } = this.writer;
    const tcpAt = at + ETHERNET_BYTES + IPV4_BYTES;
    const payloadAt = writeSegment(view, tcpAt, { source: localPort, destination: remotePort }, segment);
    connection?.copyPayload(segment, bytes, payloadAt);
    const pseudo = pseudoHeaderSum(localIp, remoteIp, PROTOCOL.tcp, tcpBytes);
    view.setUint16(tcpAt + 16, checksum(pseudo + sumWords(view, tcpAt, tcpAt + tcpBytes)));
    if (this.world.isControl(localIp, localPort, remotePort)) return;
    this.captured(at, ETHERNET_BYTES + IPV4_BYTES + tcpBytes);
  }

  private beginIp(source: number, destination: number, protocol: number, payloadBytes: number): number {
    const at = this.begin(ETHERNET_BYTES + IPV4_BYTES + payloadBytes);
    const { bytes, view } = this.writer;
    const broadcast = destination === 0xffffffff;
    (broadcast ? BROADCAST_MAC : this.guestMac).copy(bytes, at);
    this.gatewayMac.copy(bytes, at + 6);
    view.setUint16(at + 12, ETHERTYPE.ipv4);
    this.packetId = (this.packetId + 1) & 0xffff;
    const header = { source, destination, protocol, id: this.packetId, payloadBytes };
    writeIpv4(view, at + ETHERNET_BYTES, header);
    return at;
  }

  private begin(length: number): number {
    return this.writer.begin(length);
  }

  private full(): boolean {
    if (this.writer.full) this.counters.unsent++;
    return this.writer.full;
  }

  private captured(at: number, length: number): void {
    this.world.captured(this.writer.bytes, at, at + length);
  }
}

function isWhole(view: DataView, packet: Ipv4Packet): boolean {
  const { source, destination, start, end } = packet;
  return (
    checksum(pseudoHeaderSum(source, destination, PROTOCOL.tcp, end - start) + sumWords(view, start, end)) ===
    0
  );
}
