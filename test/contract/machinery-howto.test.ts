import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the adapter of the walk-through is the one that is compiled and tested', async () => {
  const page = await read('docs/howto/add-a-machinery.md');
  expect(page).toContain(`\`\`\`ts\n${await read('libs/machinery/adapters/fake/fake.ts')}\`\`\``);
});
