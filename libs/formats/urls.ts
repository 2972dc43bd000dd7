/** Characters of one URL, and of what is carried over from chunk to chunk. */
const MAX_URL = 2048;
const MAX_URLS = 1000;

/** Every repetition is bounded, and what it may match ends where the next part begins: linear. */
const URL_TEXT =
  /https?:\/\/[a-z0-9][a-z0-9.-]{0,252}(?::\d{1,5})?(?:\/[\w.,:;/?#[\]@!$&'()*+=%~-]{0,1700})?/gi;

/** Finds http and https URLs in raw bytes, streaming. */
export class UrlFinder {
  readonly #found = new Set<string>();
  #rest = '';

  push(chunk: Uint8Array): void {
    const text = this.#rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
    // A URL at the border waits for the next chunk.
    const border = Math.max(0, text.length - MAX_URL);
    this.#search(text, border);
  }

  /** Sorted, each once. */
  finish(): string[] {
    this.#search(this.#rest, Infinity);
    return [...this.#found].sort();
  }

  /** Takes URLs that begin before `border`; the text from there on is kept. */
  #search(text: string, border: number): void {
    let keep = Math.min(border, text.length);
    for (const match of text.matchAll(URL_TEXT)) {
      if (match.index >= border) break;
      // Sentences and markup end in these, URLs hardly ever.
      if (this.#found.size < MAX_URLS) this.#found.add(match[0].replace(/[.,;:!?')\]]{1,8}$/, ''));
      keep = Math.max(keep, match.index + match[0].length);
    }
    this.#rest = text.slice(keep);
  }
}
