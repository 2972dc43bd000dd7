import { Findings, told } from '#config/findings.js';
import { confText, type ConfSource } from '#config/read-conf.js';

/** What a reader of a .conf file makes of a text, and its notes. @throws CONFIG_INVALID */
export function readText<T>(
  read: (source: ConfSource, findings: Findings) => T,
  text: string,
  file = 'x.conf',
): { settings: T; warnings: readonly string[] } {
  const findings = new Findings();
  const settings = read(confText(file, text), findings);
  findings.throwProblems();
  return { settings, warnings: findings.notes.map(told) };
}
