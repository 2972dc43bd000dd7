import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Endpoint, FakenetRecord } from '#domain/artifacts.js';
import type { Datagram } from '../userspace/udp.js';
import { ipToText } from '../userspace/addresses.js';
import type { CertificateAuthority } from './ca.js';
import { type Conversation, now, tcpRecord, Transcript } from './conversation.js';
import { answerDns, DNS_PORT } from './dns.js';
import { type FtpData, serveFtp } from './ftp.js';
import { FakeWeb } from './http.js';
import { serveIrc } from './irc.js';
import { LineChannel } from './lines.js';
import type { NamePool } from './names.js';
import { answerNtp, NTP_PORT } from './ntp.js';
import { peek, type Protocol, serverName, sniff } from './sniff.js';
import { serveSmtp } from './smtp.js';
import { serveDnsOverTcp } from './dns-tcp.js';

/** A client that says nothing for so long waits for the server to speak first. */
const SILENCE_MS = 300;

/** A TLS session weighs far more than a connection: above this, handshakes are only recorded. */
const MAX_TLS = 512;

/** Passive FTP data connections waited for at once, and for how long. */
const MAX_EXPECTED = 64;
const EXPECT_MS = 10_000;
const FIRST_DATA_PORT = 40_000;

/** Who speaks first on a port when the client does not. */
function greeter(port: number): 'smtp' | 'ftp' | 'irc' | null {
  if (port === 25 || port === 465 || port === 587 || port === 2525) return 'smtp';
  if (port === 21) return 'ftp';
  return (port >= 6660 && port <= 6669) || port === 6697 || port === 7000 ? 'irc' : null;
}

/** The rest of the world, for one task: takes every connection, answers what it can, records all of it. */
export class FakeInternet {
  private readonly web: FakeWeb;
  private readonly expected = new Map<string, (stream: Duplex | null) => void>();
  /** Those that were handed to the web server. */
  private readonly conversations = new WeakMap<Duplex, { conversation: Conversation; first: Buffer }>();
  private readonly running = new Set<Promise<void>>();
  private tlsSessions = 0;
  private dataPort = FIRST_DATA_PORT;

  constructor(
    private readonly ca: CertificateAuthority,
    private readonly names: NamePool,
    private readonly record: (record: FakenetRecord) => void,
    /** Milliseconds since 1970 that its clocks show. */
    private readonly time: () => number,
  ) {
    this.web = new FakeWeb({
      record,
      time,
      refused: (stream) => this.refused(stream),
      tunnel: (stream, authority) => this.tunnel(stream, authority),
    });
  }

  /** The answer to a datagram that has one; `known` tells that it is recorded, so the caller need not. */
  datagram(datagram: Datagram): { readonly known: boolean; readonly reply: Buffer | null } {
    const { destinationPort, payload } = datagram;
    if (destinationPort === DNS_PORT) {
      const reply = this.dns(payload);
      return { known: reply !== null, reply };
    }
    if (destinationPort === NTP_PORT) return { known: false, reply: answerNtp(payload, this.time()) };
    return { known: false, reply: null };
  }

  /** Takes a connection of the guest; `dst` is where the guest meant it to go. */
  accept(stream: Duplex, { src, dst }: { readonly src: Endpoint; readonly dst: Endpoint }): void {
    const key = `${dst.ip}:${dst.port}`;
    const expected = this.expected.get(key);
    if (expected !== undefined) {
      expected(stream);
      return;
    }
    const conversation: Conversation = {
      ...{ src, dst },
      host: this.names.nameOf(dst.ip),
      tls: false,
    };
    this.start(stream, conversation);
  }

  /** Waits until the conversations, whose streams the caller has ended, are recorded. */
  async close(): Promise<void> {
    for (const settle of [...this.expected.values()]) settle(null);
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private start(stream: Duplex, conversation: Conversation): void {
    const work: Promise<void> = this.serve(stream, conversation)
      // A guest may break off anything at any time; what it said is recorded by then.
      .catch(() => void stream.destroy())
      .finally(() => this.running.delete(work));
    this.running.add(work);
  }

  private async serve(stream: Duplex, conversation: Conversation): Promise<void> {
    const { port } = conversation.dst;
    const wanted = await this.wanted(stream, port);
    switch (wanted.protocol) {
      case 'http':
        this.conversations.set(stream, { conversation, first: wanted.first });
        this.web.serve(stream, conversation);
        stream.resume();
        await closed(stream);
        return;
      case 'tls':
        await this.serveTls(stream, conversation, wanted.first);
        return;
      case 'smtp':
        await this.talk(stream, conversation, 'smtp', async (channel) => {
          const end = await serveSmtp(channel, conversation.tls, wanted.first.length === 0);
          if (end === 'starttls') await this.startTls(stream, conversation, channel);
        });
        return;
      case 'irc':
        await this.talk(stream, conversation, 'irc', (channel) =>
          serveIrc(channel, wanted.first.length === 0),
        );
        return;
      case 'ftp':
        await this.talk(stream, conversation, 'ftp', (channel) =>
          serveFtp(channel, conversation.dst.ip, this.ftpData(conversation)),
        );
        return;
      case 'dns':
        await serveDnsOverTcp(stream, (query) => this.dns(query));
        return;
      case 'unknown':
        await this.hold(stream, conversation, 'unknown');
        return;
    }
  }

  /** The first bytes decide; on silence the port does; without both, the first bytes whenever they come. */
  private async wanted(stream: Duplex, port: number): Promise<{ protocol: Protocol | 'ftp'; first: Buffer }> {
    const enough = (bytes: Buffer): boolean => port === DNS_PORT || sniff(bytes) !== 'more';
    let first = await peek(stream, enough, SILENCE_MS);
    const speaker = greeter(port);
    if (first.length === 0 && speaker !== null) return { protocol: speaker, first };
    // The connection's own idle limit ends this wait; once bytes come, they get their time to be complete.
    if (first.length === 0) first = await peek(stream, (bytes) => bytes.length > 0, 2 ** 31 - 1);
    if (first.length > 0 && !enough(first)) first = await peek(stream, enough, SILENCE_MS);
    if (port === DNS_PORT && first.length > 0) return { protocol: 'dns', first };
    const protocol = sniff(first);
    return { protocol: protocol === 'more' ? 'unknown' : protocol, first };
  }

  private async serveTls(stream: Duplex, conversation: Conversation, hello: Buffer): Promise<void> {
    const sni = serverName(hello);
    const { src, dst } = conversation;
    this.record({ kind: 'tls', time: now(), src, dst, sni });
    if (this.tlsSessions >= MAX_TLS) {
      await this.hold(stream, conversation, 'unknown');
      return;
    }
    const name = sni ?? conversation.host;
    const secure = this.secure(stream, name ?? dst.ip);
    await this.serve(secure, { ...conversation, host: name, tls: true });
  }

  private secure(stream: Duplex, name: string): TLSSocket {
    const secure = new TLSSocket(stream, {
      isServer: true,
      secureContext: this.ca.contextFor(name),
      // Whatever is offered is agreed to: what a client sends then is worth more than a clean refusal.
      ALPNCallback: ({ protocols }) => (protocols.includes('http/1.1') ? 'http/1.1' : protocols[0]),
    });
    this.tlsSessions++;
    secure.once('close', () => {
      this.tlsSessions--;
      stream.destroy();
    });
    // A client that distrusts the certificate breaks off: nothing to do about it.
    secure.on('error', () => undefined);
    stream.once('close', () => secure.destroy());
    return secure;
  }

  private async startTls(stream: Duplex, conversation: Conversation, channel: LineChannel): Promise<void> {
    await channel.release();
    const hello = await peek(stream, (bytes) => sniff(bytes) !== 'more', 10_000);
    if (sniff(hello) === 'tls') await this.serveTls(stream, conversation, hello);
  }

  private async talk(
    stream: Duplex,
    conversation: Conversation,
    service: string,
    script: (channel: LineChannel) => Promise<void>,
  ): Promise<void> {
    const time = now();
    const said = new Transcript();
    try {
      await script(new LineChannel(stream, said));
    } finally {
      this.record(tcpRecord(conversation, service, said, time));
    }
    stream.end();
    stream.resume();
  }

  /** Reads until the client is done, and keeps the beginning. */
  private async hold(stream: Duplex, conversation: Conversation, service: string): Promise<void> {
    const time = now();
    const said = new Transcript();
    try {
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) said.add(chunk as Buffer);
    } finally {
      // A TLS client that left without a word has its own record already.
      if (said.bytes > 0 || !conversation.tls) this.record(tcpRecord(conversation, service, said, time));
    }
    stream.end();
  }

  /** What began like HTTP and was not: its first bytes are known, the parser has eaten the rest. */
  private refused(stream: Duplex): void {
    const known = this.conversations.get(stream);
    if (known === undefined) return;
    const said = new Transcript();
    said.add(known.first);
    this.record(tcpRecord(known.conversation, 'unknown', said, now()));
  }

  private tunnel(stream: Duplex, authority: string): void {
    const outer = this.conversations.get(stream)?.conversation;
    const [, host = '', port = ''] = /^(.{1,255}):(\d{1,5})$/.exec(authority) ?? [];
    if (outer === undefined || host === '') {
      stream.destroy();
      return;
    }
    const dst: Endpoint = { ip: outer.dst.ip, port: Number(port) };
    this.start(stream, { ...outer, dst, host });
  }

  private dns(query: Buffer): Buffer | null {
    const found = answerDns(query, this.names);
    if (found === null) return null;
    const { name, type } = found.question;
    this.record({ kind: 'dns', time: now(), name, type, answer: found.answer });
    return found.bytes;
  }

  private ftpData(conversation: Conversation): FtpData {
    return {
      expect: () => {
        this.dataPort = this.dataPort >= 59_999 ? FIRST_DATA_PORT : this.dataPort + 1;
        return { port: this.dataPort, connection: this.expect(`${conversation.dst.ip}:${this.dataPort}`) };
      },
      stored: (connection) => this.hold(connection, conversation, 'ftp-data'),
    };
  }

  private async expect(key: string): Promise<Duplex | null> {
    if (this.expected.size >= MAX_EXPECTED) return null;
    return new Promise((resolve) => {
      const settle = (stream: Duplex | null): void => {
        clearTimeout(timer);
        this.expected.delete(key);
        resolve(stream);
      };
      const timer = setTimeout(() => settle(null), EXPECT_MS);
      this.expected.set(key, settle);
    });
  }
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
}

/** Where a datagram came from and went to. */
export function endpointsOf(datagram: Datagram): { readonly src: Endpoint; readonly dst: Endpoint } {
  return {
    src: { ip: ipToText(datagram.source), port: datagram.sourcePort },
    dst: { ip: ipToText(datagram.destination), port: datagram.destinationPort },
  };
}
