import { SandboxError, type ErrorCode } from '#domain/errors.js';

export type NodeErrorCode = Extract<ErrorCode, `NODE_${string}` | `REPORT_${string}`>;

interface Details extends ErrorOptions {
  readonly unclear?: boolean;
  readonly retryAfterMs?: number | null;
}

/** What went wrong between this host and one node; the message names the node. */
export class NodeError extends SandboxError {
  override readonly name = 'NodeError';
  /** The node may have done what it was asked for all the same. */
  readonly unclear: boolean;
  /** Milliseconds the node wants to be left alone; null: it did not say. */
  readonly retryAfterMs: number | null;

  constructor(
    code: NodeErrorCode,
    message: string,
    { unclear = false, retryAfterMs = null, ...options }: Details = {},
  ) {
    super(code, message, options);
    this.unclear = unclear;
    this.retryAfterMs = retryAfterMs;
  }

  /** The same, of a call that was made of several. */
  asUnclear(unclear: boolean): NodeError {
    const { code, message, retryAfterMs, cause } = this;
    return new NodeError(code as NodeErrorCode, message, { unclear, retryAfterMs, cause });
  }
}
