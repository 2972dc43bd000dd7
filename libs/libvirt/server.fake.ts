import type { Duplex } from 'node:stream';
import { encodeFrame, FrameSplitter, PROGRAM, STATUS, TYPE, type Frame } from './frame.js';
import { XdrWriter } from './xdr.js';

/** What a script does with a frame: answer it by `peer`, or leave it. */
export type Answer = (frame: Frame, peer: FakePeer) => void;

/** What every session begins with: no authentication, open, keepalive, events, close. */
const HANDSHAKE: Readonly<Record<number, Answer>> = {
  66: (frame, peer) => peer.reply(frame, new XdrWriter().uint(1).int(0).end()),
  1: (frame, peer) => peer.reply(frame),
  60: (frame, peer) => peer.reply(frame, new XdrWriter().int(1).end()),
  316: (frame, peer) => peer.reply(frame, new XdrWriter().int(0).end()),
  2: (frame, peer) => peer.reply(frame),
};

/** One end of a connection that says what the test's script says, by procedure number. */
export class FakePeer {
  /** All that came, in order. */
  readonly heard: Frame[] = [];

  constructor(
    readonly stream: Duplex,
    script: Readonly<Record<number, Answer>> = {},
  ) {
    const splitter = new FrameSplitter();
    stream.on('error', () => undefined); // the other end may go at any time
    stream.on('data', (chunk: Buffer) => {
      for (const frame of splitter.push(chunk)) {
        this.heard.push(frame);
        if (frame.type !== TYPE.call) continue;
        (script[frame.procedure] ?? HANDSHAKE[frame.procedure])?.(frame, this);
      }
    });
  }

  send(frame: Frame): void {
    this.stream.write(encodeFrame(frame));
  }

  reply(to: Frame, body: Buffer = Buffer.alloc(0)): void {
    this.send({ ...to, type: TYPE.reply, body });
  }

  /** An error as libvirt sends it, to a call or in its stream. */
  refuse(to: Frame, code: number, message: string, type: number = TYPE.reply): void {
    const body = new XdrWriter().int(code).int(10).uint(1).string(message).int(2).uint(0);
    for (const text of ['%s', message]) body.uint(1).string(text);
    this.send({ ...to, type, status: STATUS.error, body: body.uint(0).int(-1).int(-1).uint(0).end() });
  }

  /** A piece of a stream; an empty one ends it. */
  data(to: Frame, body: Buffer = Buffer.alloc(0)): void {
    this.send({ ...to, type: TYPE.stream, status: STATUS.more, body });
  }

  /** Confirms the end of a stream. */
  finish(to: Frame): void {
    this.send({ ...to, type: TYPE.stream, status: STATUS.ok, body: Buffer.alloc(0) });
  }

  ping(): void {
    const body = Buffer.alloc(0);
    this.send({ program: PROGRAM.keepalive, procedure: 1, type: TYPE.message, serial: 0, status: 0, body });
  }

  /** Pongs that came. */
  get pongs(): number {
    return this.heard.filter(({ program, procedure }) => program === PROGRAM.keepalive && procedure === 2)
      .length;
  }
}
