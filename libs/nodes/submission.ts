import type { Fields } from './body.js';
import type { Work } from './node.js';

/**
 * The fields of a submission to any version of Cuckoo. What was not asked for is left out, also `false`: old versions take
 * any text for true.
 */
export function fieldsOf(work: Work): Fields {
  const { options, machine, platform, tags, custom, mark } = work;
  return {
    package: work.package,
    timeout: work.timeout === 0 ? null : String(work.timeout),
    priority: String(work.priority),
    ...{ options, machine, platform, custom },
    tags: tags.length === 0 ? null : tags.join(','),
    owner: mark,
    memory: work.memory ? '1' : null,
    enforce_timeout: work.enforceTimeout ? '1' : null,
    clock: work.clock && clockOf(work.clock),
  };
}

/** `MM-DD-YYYY HH:MM:SS`, local time. */
export function clockOf(date: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const day = [two(date.getMonth() + 1), two(date.getDate()), String(date.getFullYear()).padStart(4, '0')];
  return `${day.join('-')} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}
