import type { BehaviorSummary } from '#domain/report.js';

/** Categories whose values are single texts; `files` follows from the others. */
export type Category = Exclude<keyof BehaviorSummary, 'files' | 'keys' | 'mutexes' | PairCategory>;
export type PairCategory = 'file_moved' | 'file_chmod';

/** Their paths were there, or came to be. */
const FILES: readonly (Category | PairCategory)[] = [
  'file_opened', 'file_read', 'file_written', 'file_created', 'file_deleted', 'file_moved',
]; // prettier-ignore

/** No path or command line has it: both halves of a pair in one Set entry. */
const PAIR = '\0';

/** Distinct entries of all processes together: a sample that makes up names must not fill our memory. */
const MAX_ENTRIES = 200_000;

/** Shared by the summaries of one analysis. */
export class SummaryBudget {
  left = MAX_ENTRIES;
  refused = 0;
}

/** Distinct things one process (or all of them) did, by category. */
export class Summary {
  readonly #sets = new Map<Category | PairCategory, Set<string>>();
  readonly #budget: SummaryBudget;

  constructor(budget: SummaryBudget) {
    this.#budget = budget;
  }

  add(category: Category, value: string): void {
    if (value !== '') this.#put(category, value);
  }

  addPair(category: PairCategory, first: string, second: string): void {
    this.#put(category, `${first}${PAIR}${second}`);
  }

  has(category: Category, value: string): boolean {
    return this.#sets.get(category)?.has(value) ?? false;
  }

  /** Everything `other` has. Costs no budget: its texts are in memory already. */
  absorb(other: Summary): void {
    for (const [category, values] of other.#sets) {
      const mine = this.#sets.get(category) ?? new Set();
      this.#sets.set(category, mine);
      for (const value of values) mine.add(value);
    }
  }

  /** Sorted; empty categories are absent but for the three that readers of 1.x reports want. */
  toReport(): BehaviorSummary {
    const entries = [...this.#sets].sort(([a], [b]) => (a < b ? -1 : 1));
    const lists = entries.map(([category, values]) => {
      const sorted = [...values].sort();
      const pairs = category === 'file_moved' || category === 'file_chmod';
      return [category, pairs ? sorted.map((value) => value.split(PAIR)) : sorted];
    });
    const files = FILES.flatMap((category) =>
      [...(this.#sets.get(category) ?? [])].flatMap((value) => value.split(PAIR)),
    );
    return {
      files: [...new Set(files)].sort(),
      keys: [],
      mutexes: [],
      ...(Object.fromEntries(lists) as Partial<BehaviorSummary>),
    };
  }

  #put(category: Category | PairCategory, value: string): void {
    let values = this.#sets.get(category);
    if (values === undefined) this.#sets.set(category, (values = new Set()));
    if (values.has(value)) return;
    if (this.#budget.left === 0) {
      this.#budget.refused++;
      return;
    }
    this.#budget.left--;
    values.add(value);
  }
}
