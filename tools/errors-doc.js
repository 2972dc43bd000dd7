// Writes docs/errors.md from the table in libs/domain/errors.ts (built first).
import { writeFile } from 'node:fs/promises';
import { ERRORS } from '../dist/libs/domain/errors.js';

const rows = Object.entries(ERRORS).map(
  ([code, { retry, http, help }]) =>
    `| <a id="${code.toLowerCase()}"></a>\`${code}\` | ${http} | ${retry ? 'yes' : 'no'} | ${help} |`,
);
const page = `# Errors

Made from \`libs/domain/errors.ts\` by \`node tools/errors-doc.js\`; a test keeps the two in step. The code stands in brackets
at the end of a task's error, in the field \`code\` of log lines, and decides what happens next.

The API says an error as \`{"message": "<sentence>"}\`. A client that asks for it (\`Accept: application/problem+json\`) gets
RFC 9457 instead, with the message kept:

\`\`\`json
{
  "type": "urn:malkoha:errors#token_needed",
  "title": "Token needed",
  "status": 401,
  "detail": "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required",
  "instance": "/tasks/list",
  "message": "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required",
  "code": "TOKEN_NEEDED"
}
\`\`\`

\`urn:malkoha:errors\` is this page, and what follows the \`#\` a row of it. An error that the status alone tells, such as
\`Task not found\`, has \`about:blank\` as its type and no code.

| code | HTTP status | tried again | what to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`;

await writeFile('docs/errors.md', page);
