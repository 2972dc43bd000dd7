import type { Field, Section } from './field.js';
import type { Schema } from './read-conf.js';

/** The commented default file of a schema: what conf/ in the source holds. Every key stands there, commented out. */
export function renderConf(title: string, schema: Schema): string {
  const sections = Object.entries(schema).map(
    ([name, section]) => `[${name}]\n${renderKeys(section, '').join('\n')}`,
  );
  return `${title.replaceAll(/^/gm, '# ')}\n\n${sections.join('\n')}`;
}

/** An example of a section whose name the operator chooses, commented out as a whole. */
export function renderExample(intro: string, name: string, section: Section): string {
  return `${intro.replaceAll(/^/gm, '# ')}\n# [${name}]\n${renderKeys(section, '  ').join('')}`;
}

function renderKeys(section: Section, indent: string): string[] {
  return Object.entries(section).map(([key, field]) => {
    const doc = describe(field).replaceAll(/^/gm, `# ${indent}${indent === '' ? '' : '# '}`);
    return `${doc}\n# ${indent}${key} =${field.written === '' ? '' : ` ${field.written}`}\n`;
  });
}

function describe({ doc, used, accepted }: Field<unknown>): string {
  return used && accepted !== 'text' ? `${doc}\nAccepts ${accepted}.` : doc;
}
