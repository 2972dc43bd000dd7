import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { ERRORS, reason, SandboxError } from './errors.js';

test('docs/errors.md has the row of every code (node tools/errors-doc.js writes it)', async () => {
  const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| <a id='));
  expect(rows).toEqual(
    Object.entries(ERRORS).map(
      ([code, { retry, http, help }]) =>
        `| <a id="${code.toLowerCase()}"></a>\`${code}\` | ${http} | ${retry ? 'yes' : 'no'} | ${help} |`,
    ),
  );
});

test('a reason tells the cause as well', () => {
  const error = new SandboxError('GUEST_LOST', 'guest1 ended', { cause: new Error('killed by SIGKILL') });
  expect(reason(error)).toBe('guest1 ended: killed by SIGKILL');
  expect(reason('text')).toBe('text');
});
