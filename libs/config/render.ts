import type { Section } from './field.js';

/** The commented default file of a schema: what conf/ in the source holds. Every key stands there, commented out. */
export function renderConf(title: string, schema: Readonly<Record<string, Section>>): string {
  const sections = Object.entries(schema).map(([name, section]) => {
    const keys = Object.entries(section).map(([key, field]) => {
      const doc = field.doc.replaceAll(/^/gm, '# ');
      const accepts = field.used && field.accepted !== 'text' ? `\n# Accepts ${field.accepted}.` : '';
      return `${doc}${accepts}\n# ${key} =${field.written === '' ? '' : ` ${field.written}`}\n`;
    });
    return `[${name}]\n${keys.join('\n')}`;
  });
  return `${title.replaceAll(/^/gm, '# ')}\n\n${sections.join('\n')}`;
}
