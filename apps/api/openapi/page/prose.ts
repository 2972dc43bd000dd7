import { html, type Part } from '#reporting/formats/html/markup.js';

/** The little of Markdown that descriptions use: `code` and **loud**. */
export function prose(text: string): Part {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) => {
    if (piece.startsWith('`')) return html`<code>${piece.slice(1, -1)}</code>`;
    return piece.startsWith('**') ? html`<strong>${piece.slice(2, -2)}</strong>` : piece;
  });
}
