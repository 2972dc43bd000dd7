import { createHash, timingSafeEqual } from 'node:crypto';
import type { NamedToken } from '#config/tokens.js';
import { SandboxError } from '#domain/errors.js';

/** The tokens that the API takes. Without any it asks for none, and ignores any Authorization header. */
export class Keyring {
  readonly #tokens: readonly { readonly token: NamedToken; readonly hash: Buffer }[];

  constructor(tokens: readonly NamedToken[]) {
    this.#tokens = tokens.map((token) => ({ token, hash: Buffer.from(token.sha256, 'hex') }));
  }

  get isEmpty(): boolean {
    return this.#tokens.length === 0;
  }

  /** Null when it is none of ours. Case counts in `Bearer`, as in Cuckoo. */
  find(authorization = ''): NamedToken | null {
    if (!authorization.startsWith('Bearer ')) return null;
    // Node has bytes of headers as latin1.
    const sent = createHash('sha256').update(authorization.slice('Bearer '.length), 'latin1').digest();
    // Each is compared, by its hash and in constant time: how long it takes tells nothing about any of them.
    const [found] = this.#tokens.filter(({ hash }) => timingSafeEqual(hash, sent));
    return found?.token ?? null;
  }

  admits(found: NamedToken | null): boolean {
    return found !== null || this.isEmpty;
  }

  /** @throws TOKEN_NEEDED in Cuckoo's words */
  mustAdmit(found: NamedToken | null): void {
    if (this.admits(found)) return;
    throw new SandboxError(
      'TOKEN_NEEDED',
      "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required",
    );
  }
}
