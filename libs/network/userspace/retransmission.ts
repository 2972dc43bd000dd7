/** RFC 6298, with Linux's floor: a guest under emulation on a busy host is late, not deaf. Milliseconds. */
const MIN_RTO_MS = 200;
const FIRST_RTO_MS = 300;
/** A paused guest comes back and must not wait a minute for the next try. */
const MAX_RTO_MS = 2000;

/** How long to wait for an acknowledgement, from the round trips seen. */
export class RetransmissionTimeout {
  private smoothed = -1;
  private variation = 0;
  private base = FIRST_RTO_MS;
  private backoff = 1;

  get ms(): number {
    return Math.min(MAX_RTO_MS, this.base * this.backoff);
  }

  sample(roundTripMs: number): void {
    if (this.smoothed < 0) {
      this.smoothed = roundTripMs;
      this.variation = roundTripMs / 2;
    } else {
      this.variation += (Math.abs(this.smoothed - roundTripMs) - this.variation) / 4;
      this.smoothed += (roundTripMs - this.smoothed) / 8;
    }
    this.base = Math.max(MIN_RTO_MS, this.smoothed + 4 * this.variation);
  }

  expired(): void {
    this.backoff = Math.min(64, this.backoff * 2);
  }

  /** New data was acknowledged. */
  progress(): void {
    this.backoff = 1;
  }
}
