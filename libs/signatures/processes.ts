import type { Evidence, Process } from '#domain/report.js';

/** What the catalog's signatures ask about processes. All text is the guest's. */

export const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'ash', 'zsh', 'ksh', 'busybox']);
export const INTERPRETERS: ReadonlySet<string> = new Set([
  ...SHELLS,
  'python',
  'python3',
  'perl',
  'ruby',
  'php',
  'node',
  'lua',
]);
export const DOWNLOADERS: ReadonlySet<string> = new Set([
  'curl',
  'wget',
  'ftp',
  'tftp',
  'lftp',
  'aria2c',
  'scp',
  'sftp',
  'rsync',
  'fetch',
]);

export function processes(evidence: Evidence): readonly Process[] {
  return evidence.behavior?.processes ?? [];
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

const WORDS = 64;

/** The first words of a command line that is quoted as a shell would want it: `sh -c 'a b'` is three. */
export function words(commandLine: string): readonly string[] {
  const found: string[] = [];
  let word: string | null = null;
  for (let i = 0; i < commandLine.length && found.length < WORDS; i++) {
    const char = commandLine[i] ?? '';
    if (/\s/.test(char)) {
      if (word !== null) found.push(word);
      word = null;
    } else if (char === "'") {
      const end = commandLine.indexOf("'", i + 1);
      word = (word ?? '') + commandLine.slice(i + 1, end === -1 ? undefined : end);
      i = end === -1 ? commandLine.length : end;
    } else if (char === '\\') {
      word = (word ?? '') + (commandLine[++i] ?? '');
    } else {
      word = (word ?? '') + char;
    }
  }
  return word === null ? found : [...found, word];
}

/** The script an interpreter was told to run: its first argument that is no option; null for `-c` and for none. */
export function scriptOf(process: Process): string | null {
  const [program, ...rest] = words(process.command_line);
  if (program === undefined || !INTERPRETERS.has(baseName(program).replace(/^-/, ''))) return null;
  for (const word of rest) {
    if (/^-[a-z]*[ce]/.test(word)) return null;
    if (!word.startsWith('-')) return word;
  }
  return null;
}

/** A shell that reads its commands from standard input: no script, no `-c`. */
export function readsStandardInput(process: Process): boolean {
  const [program, ...rest] = words(process.command_line);
  if (program === undefined || !SHELLS.has(baseName(program))) return false;
  return rest.every((word) => word === '-' || word === '-s' || /^-[xeu]+$/.test(word));
}

/** Pairs started by the same parent within `seconds` of each other: as the two sides of a pipe are. */
export function pipedPairs(
  evidence: Evidence,
  left: (process: Process) => boolean,
  right: (process: Process) => boolean,
  seconds: number,
): readonly (readonly [Process, Process])[] {
  const byParent = new Map<number, Process[]>();
  for (const process of processes(evidence)) {
    if (process.parent_procid === null || !left(process)) continue;
    byParent.set(process.parent_procid, [...(byParent.get(process.parent_procid) ?? []), process]);
  }
  return processes(evidence).flatMap((reader) => {
    if (!right(reader)) return [];
    const writer = byParent
      .get(reader.parent_procid ?? -1)
      ?.find((each) => each !== reader && Math.abs(each.first_seen - reader.first_seen) <= seconds);
    return writer === undefined ? [] : [[writer, reader] as const];
  });
}
