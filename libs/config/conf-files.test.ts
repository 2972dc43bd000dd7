import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { CONF_FILES, CONF_NAMES, defaultFile, type ConfFile } from './files.js';
import { readConf, readSection, type Schema } from './read-conf.js';

test.each(CONF_NAMES)('conf/%s.conf is the commented default of every key', async (name) => {
  const rendered = defaultFile(name);
  const file = new URL(`../../conf/${name}.conf`, import.meta.url);
  if (process.env['UPDATE_CONF'] === '1') await writeFile(file, rendered);
  expect(await readFile(file, 'utf8')).toBe(rendered);

  const { schema }: { schema: Schema } = CONF_FILES[name];
  const read = (text: string) =>
    readText((source, findings) => readConf(source, { schema, strict: Object.keys(schema) }, findings), text);
  const uncommented = read(rendered.replace(/^# (\w+ =)/gm, '$1'));
  expect(uncommented.warnings).toEqual([]);
  expect(uncommented.settings.values).toEqual(read('').settings.values);
});

test.each(CONF_NAMES.filter((name) => 'example' in CONF_FILES[name]))(
  'the example section of conf/%s.conf has every key',
  (name) => {
    const { example }: ConfFile = CONF_FILES[name];
    const { section = {}, name: called = '' } = example ?? {};
    const text = defaultFile(name).slice(defaultFile(name).indexOf(`# [${called}]`));
    const uncommented = text.replaceAll(/^# {1,3}(\[|\w+ =)/gm, '$1');
    const { settings, warnings } = readText((source, findings) => {
      const { others } = readConf(source, { schema: {} }, findings);
      const entries = others.get(called)?.entries ?? [];
      expect(entries.map(({ key }) => key)).toEqual(Object.keys(section));
      return readSection(entries, { schema: section, strict: true }, findings);
    }, uncommented);
    expect(warnings).toEqual([]);
    expect(settings).toEqual(
      readText((_, findings) => readSection([], { schema: section, strict: true }, findings), '').settings,
    );
  },
);
