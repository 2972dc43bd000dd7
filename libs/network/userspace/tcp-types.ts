import type { Budget } from './receive-buffer.js';
import type { TcpConnection } from './tcp-connection.js';
import type { Outgoing } from './tcp-segment.js';

/** What kind of connection it is: how much of the host it may use. */
export interface ConnectionClass {
  /** Bytes that may wait for the application; also the window offered. */
  readonly receiveWindow: number;
  /** Bytes taken from the application and not yet acknowledged. */
  readonly sendBuffer: number;
  /** Payload bytes per segment offered to the guest. */
  readonly mss: number;
  /** Ends after so long without a byte of payload either way; Infinity = never. Milliseconds. */
  readonly idleMs: number;
  /** Open at once. */
  readonly max: number;
}

/** What a connection needs of the stack around it. */
export interface TcpHost {
  readonly budget: Budget;
  /** Cannot the link take more just now? `room()` of every connection that asked is called once it can. */
  readonly busy: boolean;
  now(): number;
  emit(connection: TcpConnection, segment: Outgoing): void;
  /** Calls `settle()` at the end of this batch of packets. */
  touch(connection: TcpConnection): void;
  /** Calls `settle()` when the link is no longer busy. */
  waitForRoom(connection: TcpConnection): void;
  arm(connection: TcpConnection, at: number): void;
  /** The guest completed a handshake it began. */
  accepted(connection: TcpConnection): void;
  /** Moved to or from a state that counts differently. */
  changed(connection: TcpConnection): void;
}

/** The application's side. */
export interface TcpUser {
  /** Bytes handed over and not read yet. */
  readonly unread: number;
  onOpened(): void;
  /** There may be bytes, or the end, to take. */
  onReadable(): void;
  /** There may be room to send, or the end was acknowledged. */
  onWritable(): void;
  onFailed(error: Error): void;
}

export type TcpState = 'syn-sent' | 'syn-received' | 'open' | 'time-wait' | 'closed';

export interface Endpoints {
  readonly localIp: number;
  readonly localPort: number;
  readonly remoteIp: number;
  readonly remotePort: number;
}
