import type { Refusal } from './refusal.js';

/** How a REST API shows itself. */
export interface Presentation {
  /** The header Server. */
  readonly server: string;
  /** The body of an error, for who asks for no other. `url` as the client wrote it, if it got so far. */
  readonly error: (refusal: Refusal, url: string | undefined) => object;
}

/** Cuckoo's. */
export const CUCKOO: Presentation = {
  server: 'Machete Server',
  error: ({ message }) => ({ message }),
};
