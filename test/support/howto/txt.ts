import type { ReportFormat } from '#reporting/format.js';

/** Guest text on a terminal: no control characters, so no escape sequences. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, '?').slice(0, 200);

/** A page for a terminal or a mail. */
export const txt: ReportFormat = {
  extension: 'txt',
  *render({ target, malkoha, signatures }) {
    const name = target.category === 'url' ? target.url : target.file.name;
    yield `${printable(name)}: ${malkoha.score.label} (${malkoha.score.value} of 10)\n`;
    for (const match of signatures) {
      yield `${match.severity} ${match.description}\n`;
      for (const mark of match.marks) {
        if (mark.type === 'ioc') yield `    ${printable(mark.ioc)}\n`;
      }
    }
  },
};
