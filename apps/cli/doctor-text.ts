import type { Finding } from '../finding.js';
import { styles, visible } from './text.js';

/** Cells of the first two columns: every line of the list has what was found at the same place. */
const STATUS_WIDTH = 7;
const CHECK_WIDTH = 26;

/** `fail     disk space             120 MB are free …`, and what to do below it. */
export function describe({ check, status, found, fix, machine }: Finding): string {
  const { red, yellow, green, dim } = styles();
  const style = { ok: green, warn: yellow, fail: red, skipped: dim }[status];
  const name = visible(machine === undefined ? check : `${machine}: ${check}`);
  const indent = ' '.repeat(STATUS_WIDTH + 2);
  const line = `${style(status.padEnd(STATUS_WIDTH))}  ${name.padEnd(CHECK_WIDTH)}  ${visible(found)}`;
  return fix === null ? line : `${line}\n${indent}fix: ${visible(fix)}`;
}

/** The last line: is there anything to mend? */
export function summary(findings: readonly Finding[]): string {
  const count = (wanted: Finding['status']): number =>
    findings.filter(({ status }) => status === wanted).length;
  const failed = count('fail');
  const rest = [
    [count('warn'), 'could be better'],
    [count('skipped'), 'could not be looked at'],
    [count('ok'), 'fine'],
  ] as const;
  const told = rest.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}`);
  const first =
    failed === 0 ? 'nothing is wrong' : `${failed} ${failed === 1 ? 'thing is' : 'things are'} wrong`;
  return `\n${[first, ...told].join(' · ')}`;
}
