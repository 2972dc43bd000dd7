import type { FakenetPorts } from './fakenet-ports.js';

/** What one task's guest may do on the network; the rooter's client takes it (libs/network/rooter/client.ts). */
export interface RouteWanted {
  readonly task: number;
  readonly machine: string;
  readonly ip: string;
  readonly interface: string;
  readonly resultServer: { readonly ip: string; readonly port: number };
  readonly agentPort: number;
  readonly route: string;
  /** Ports of the built-in fake internet on resultServer.ip; null when the route does not lead there. */
  readonly fakenet: FakenetPorts | null;
}

export interface GuestRoute extends AsyncDisposable {
  /** The rooter went away, or lost the route: the guest is cut off, and its task must end. */
  readonly failed: AbortSignal;
  counters(signal: AbortSignal): Promise<{ readonly droppedPackets: number; readonly droppedBytes: number }>;
}

/** Who sets up routes: the rooter's client. */
export interface GuestRouter {
  /** The guest is closed in, then the route opened. @throws ROUTE_UNAVAILABLE, with nothing opened */
  open(request: RouteWanted, signal: AbortSignal): Promise<GuestRoute>;
}
