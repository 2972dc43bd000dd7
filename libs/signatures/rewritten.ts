import type { Evidence } from '#domain/report.js';
import { baseName } from './processes.js';

/** Extensions programs add to files of their own accord. */
const ORDINARY = new Set([
  '.tmp',
  '.temp',
  '.bak',
  '.old',
  '.orig',
  '.new',
  '.swp',
  '.part',
  '.gz',
  '.xz',
  '.bz2',
  '.zip',
  '.log',
]);
const PERSONAL = /^\/(?:home|root|srv|opt|var\/www|mnt|media|usr\/share\/doc)\//;

/**
 * Files that got another name with an extension added (`x.doc` → `x.doc.locked`): by renaming, or by writing the new
 * and deleting the old. Grouped by the added extension.
 */
export function lockedFiles(evidence: Evidence): ReadonlyMap<string, ReadonlySet<string>> {
  const { summary } = evidence.behavior ?? {};
  const deleted = new Set(summary?.file_deleted ?? []);
  const groups = new Map<string, Set<string>>();
  const add = (from: string, to: string): void => {
    if (!PERSONAL.test(from) || !to.startsWith(`${from}.`)) return;
    const extension = to.slice(from.length).toLowerCase();
    if (ORDINARY.has(extension) || extension.includes('/')) return;
    groups.set(extension, (groups.get(extension) ?? new Set()).add(to));
  };
  for (const [from, to] of summary?.file_moved ?? []) add(from, to);
  for (const to of summary?.file_written ?? []) {
    const from = to.slice(0, to.lastIndexOf('.'));
    if (deleted.has(from)) add(from, to);
  }
  return groups;
}

const NOTE = /(?:readme|read_me|how_?to|decrypt|recover|restore|ransom|unlock|your_?files|important)/i;

/** Files that ask to be read: their names say so, and they are text, pages or nothing in particular. */
export function notes(evidence: Evidence): readonly string[] {
  const written = evidence.behavior?.summary.file_written ?? [];
  return written.filter((path) => {
    const name = baseName(path);
    return NOTE.test(name.slice(0, 100)) && /\.(?:txt|html?|hta|md)$|^[^.]*$/i.test(name.slice(-100));
  });
}
