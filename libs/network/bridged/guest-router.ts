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

/**
 * A guest's way out. It can be cut and no more: what keeps the guest in stays until its machine has stopped, which whoever
 * stops it tells the router. Disposing cuts in silence.
 */
export interface GuestRoute extends AsyncDisposable {
  /** The rooter went away, or lost the route: the guest is cut off, and its task must end. */
  readonly failed: AbortSignal;
  /** From then on the guest reaches nothing, whether its machine still runs or not. */
  cut(signal: AbortSignal): Promise<void>;
  counters(signal: AbortSignal): Promise<{ readonly droppedPackets: number; readonly droppedBytes: number }>;
}

/** Who sets up routes: the rooter's client. */
export interface GuestRouter {
  /** The guest is closed in, then the route opened. @throws ROUTE_UNAVAILABLE or ROOTER_AWAY, with nothing opened */
  open(request: RouteWanted, signal: AbortSignal): Promise<GuestRoute>;
}
