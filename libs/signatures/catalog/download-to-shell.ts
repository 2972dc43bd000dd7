import { iocMark } from '../marks.js';
import { baseName, DOWNLOADERS, pipedPairs, processes, readsStandardInput, words } from '../processes.js';
import type { CodeSignature } from '../signature.js';

/** Seconds between the starts of the two sides of a pipe; a traced guest under emulation is slow. */
const PIPE_SECONDS = 3;
const IN_ONE_LINE = /\b(?:curl|wget)\b[^|]{0,2000}\|\s{0,10}(?:sudo\s)?(?:\/\S{0,50}\/)?(?:ba|da|z)?sh\b/;

export default {
  name: 'download_to_shell',
  description: 'Feeds a download straight into a shell',
  severity: 4,
  ttp: ['T1105', 'T1059.004'],
  match(evidence) {
    const pairs = pipedPairs(
      evidence,
      (process) => DOWNLOADERS.has(baseName(words(process.command_line)[0] ?? '')),
      readsStandardInput,
      PIPE_SECONDS,
    );
    const lines = processes(evidence)
      .map((process) => process.command_line)
      .filter((line) => /\b(?:curl|wget)\b/.test(line) && IN_ONE_LINE.test(line.slice(0, 4096)));
    return [
      ...pairs.map(([writer, reader]) =>
        iocMark('cmdline', writer.command_line, `into ${reader.command_line}`),
      ),
      ...lines.map((line) => iocMark('cmdline', line)),
    ];
  },
} satisfies CodeSignature;
