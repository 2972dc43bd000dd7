import { createHmac, randomBytes } from 'node:crypto';

/**
 * Signatures as the Standard Webhooks specification has them, so that its libraries verify them.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
const PREFIX = 'whsec_';
/** Bytes of a secret: the specification's bounds, and of one that we make. */
const SECRET_BYTES = { min: 24, max: 64, ours: 32 } as const;

export const SECRET_FORM = `${PREFIX} and the base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} random bytes`;

export function makeSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES.ours).toString('base64');
}

export function isSecret(text: string): boolean {
  const bytes = keyOf(text);
  return (
    bytes.length >= SECRET_BYTES.min &&
    bytes.length <= SECRET_BYTES.max &&
    text === PREFIX + bytes.toString('base64')
  );
}

export interface Message {
  /** The same however often it is sent. */
  readonly id: string;
  /** Unix seconds of this attempt. */
  readonly timestamp: number;
  readonly body: string;
}

/** `v1,` and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`. */
export function sign(secret: string, { id, timestamp, body }: Message): string {
  const mac = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`);
  return `v1,${mac.digest('base64')}`;
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64');
}
