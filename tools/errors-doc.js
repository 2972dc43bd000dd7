// Writes docs/errors.md from the table in libs/domain/errors.ts (built first).
import { writeFile } from 'node:fs/promises';
import { ERRORS } from '../dist/libs/domain/errors.js';

const rows = Object.entries(ERRORS).map(
  ([code, { retry, http, help }]) => `| \`${code}\` | ${http} | ${retry ? 'yes' : 'no'} | ${help} |`,
);
const page = `# Errors

Made from \`libs/domain/errors.ts\` by \`node tools/errors-doc.js\`; a test keeps the two in step. The code stands in brackets
at the end of a task's error, in the field \`code\` of log lines, and decides what happens next.

| code | HTTP status | tried again | what to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`;

await writeFile('docs/errors.md', page);
