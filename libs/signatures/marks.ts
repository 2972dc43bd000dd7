import type { Mark } from '#domain/report.js';
import type { SeenCall } from './signature.js';
import { SOURCES, type Item, type SourceName } from './sources.js';

/** Code units of a guest's text kept in a mark. */
const IOC_LIMIT = 4096;

/** Proof by a value; the guest's text is cut, and says so, when it is very long. */
export function iocMark(category: string, ioc: string, description: string | null = null): Mark {
  if (ioc.length <= IOC_LIMIT) return { type: 'ioc', category, ioc, description };
  const cut = `cut: ${ioc.length} characters`;
  return {
    type: 'ioc',
    category,
    ioc: ioc.slice(0, IOC_LIMIT),
    description: description === null ? cut : `${description}; ${cut}`,
  };
}

export function itemMark(source: SourceName, item: Item): Mark {
  const by = item.by === undefined ? null : `by ${item.by.process_name} (${item.by.pid})`;
  return iocMark(SOURCES[source].category, item.ioc ?? item.text, by);
}

/** Proof by a call. */
export function callMark({ process, cid, call }: SeenCall): Mark {
  return { type: 'call', pid: process.pid, procid: process.procid, cid, call };
}

/** Drops repeated proof, keeping the first of each. */
export function uniqueMarks(marks: readonly Mark[]): readonly Mark[] {
  const seen = new Set<string>();
  return marks.filter((mark) => {
    const key = mark.type === 'ioc' ? `${mark.category}\0${mark.ioc}` : `${mark.procid}\0${mark.cid}`;
    return !seen.has(key) && seen.add(key);
  });
}
