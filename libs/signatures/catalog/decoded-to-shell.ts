import type { Process } from '#domain/report.js';
import { iocMark } from '../marks.js';
import { baseName, pipedPairs, processes, readsStandardInput, words } from '../processes.js';
import type { CodeSignature } from '../signature.js';

/** Seconds between the starts of the two sides of a pipe. */
const PIPE_SECONDS = 3;
const IN_ONE_LINE =
  /\b(?:base64 (?:-d|-D|--decode)|xxd -r|openssl (?:enc|base64))[^|]{0,200}\|\s{0,10}(?:\/\S{0,50}\/)?(?:ba|da|z)?sh\b/;

function decodes(process: Process): boolean {
  const [program = '', ...rest] = words(process.command_line);
  switch (baseName(program)) {
    case 'base64':
    case 'base32':
      return rest.some((word) => /^(?:-d|-D|-di|-id|--decode)$/.test(word));
    case 'xxd':
      return rest.some((word) => /^-[a-z]*r/.test(word));
    case 'openssl':
      return rest.includes('-d');
    default:
      return false;
  }
}

export default {
  name: 'decoded_to_shell',
  description: 'Decodes text and feeds it straight into a shell',
  severity: 4,
  ttp: ['T1140', 'T1059.004'],
  match(evidence) {
    const pairs = pipedPairs(evidence, decodes, readsStandardInput, PIPE_SECONDS);
    const lines = processes(evidence)
      .map((process) => process.command_line)
      .filter((line) => IN_ONE_LINE.test(line.slice(0, 4096)));
    return [
      ...pairs.map(([writer, reader]) =>
        iocMark('cmdline', writer.command_line, `into ${reader.command_line}`),
      ),
      ...lines.map((line) => iocMark('cmdline', line)),
    ];
  },
} satisfies CodeSignature;
