import { visible, visibleLines } from './text.js';

/** The one document of `--json`. Unsafe characters stand in strings only, where JSON has the same \u escapes. */
export function printJson(document: unknown): void {
  process.stdout.write(`${visibleLines(JSON.stringify(document, null, 2))}\n`);
}

/** One document a line, for what has no end. */
export function printJsonLine(document: unknown): void {
  process.stdout.write(`${visible(JSON.stringify(document))}\n`);
}

/** Text that is safe already. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
