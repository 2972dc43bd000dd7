import type { DropCounters, RouteRequest } from '../rooter/protocol.js';

/**
 * A guest's way out. It can be cut and no more: what keeps the guest in stays until its machine has stopped, which whoever
 * stops it tells the router. Disposing cuts in silence.
 */
export interface GuestRoute extends AsyncDisposable {
  /** The rooter went away, or lost the route: the guest is cut off, and its task must end. */
  readonly failed: AbortSignal;
  /** From then on the guest reaches nothing, whether its machine still runs or not. */
  cut(signal: AbortSignal): Promise<void>;
  counters(signal: AbortSignal): Promise<DropCounters>;
}

/** Who sets up routes: the rooter's client. */
export interface GuestRouter {
  /** The guest is closed in, then the route opened. @throws ROUTE_UNAVAILABLE or ROOTER_AWAY, with nothing opened */
  open(request: RouteRequest, signal: AbortSignal): Promise<GuestRoute>;
}
