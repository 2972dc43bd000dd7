import { WORD, type Node, type Ranges } from './parse.js';
import { assemble, isAnchored, unitClasses, within, type Step } from './program.js';

/** States kept before the table is thrown away and built again from where the subject stands. Each is ~1 KB. */
const MAX_STATES = 2048;

const START = 0;
const AFTER_OTHER = 1;
const AFTER_WORD = 2;

interface State {
  /** Steps to be entered at this position, before assertions are looked at: those need the next character. */
  readonly kernel: readonly number[];
  readonly before: typeof START | typeof AFTER_OTHER | typeof AFTER_WORD;
  /** By class of the next unit; the last entry is the end of the subject. */
  readonly next: (State | undefined)[];
  readonly accepts: (readonly number[] | undefined)[];
}

const NONE: readonly number[] = [];

/**
 * Many patterns, one pass: a subject is read once, whatever the number of patterns, in time linear in its length.
 * Thompson's machine with a lazily built table of states (as RE2 has it), so guest text can never make it backtrack.
 *
 * @see https://swtch.com/~rsc/regexp/regexp3.html
 */
export class PatternSet {
  private readonly steps: Step[] = [];
  private readonly floating: number[] = [];
  private readonly first: readonly number[];
  private readonly classes: ReturnType<typeof unitClasses>;
  private readonly isWord: readonly boolean[];
  /** By step: which classes it takes. Made when a step is first reached: most never are. */
  private readonly taken: (Uint8Array | undefined)[] = [];
  private readonly end: number;
  private states = new Map<string, State>();

  constructor(trees: readonly Node[]) {
    const first: number[] = [];
    trees.forEach((tree, pattern) => {
      const start = assemble(tree, pattern, this.steps);
      first.push(start);
      if (!isAnchored(tree)) this.floating.push(start);
    });
    this.first = first.sort((a, b) => a - b);
    this.floating.sort((a, b) => a - b);
    this.classes = unitClasses(this.steps);
    const { starts } = this.classes;
    this.end = starts.length;
    this.isWord = starts.map((unit) => within(WORD, unit));
  }

  /**
   * Numbers of the patterns that occur in `subject`, ascending. Only the first `limit` code units are read;
   * nothing that needs the end of the text matches when it was cut.
   */
  matches(subject: string, limit: number): readonly number[] {
    if (this.first.length === 0) return NONE;
    const found = new Set<number>();
    const length = Math.min(subject.length, limit);
    let state = this.state(this.first, START);
    for (let i = 0; i < length; i++) {
      const unit = this.classes.of(subject.charCodeAt(i));
      const next = state.next[unit] ?? this.advance(state, unit);
      const accepts = state.accepts[unit];
      if (accepts !== undefined) for (const pattern of accepts) found.add(pattern);
      if (next.kernel.length === 0) return ascending(found);
      state = next;
    }
    if (length === subject.length) {
      if (state.next[this.end] === undefined) this.advance(state, this.end);
      for (const pattern of state.accepts[this.end] ?? NONE) found.add(pattern);
    }
    return ascending(found);
  }

  private state(kernel: readonly number[], before: State['before']): State {
    const key = `${before}:${kernel.join()}`;
    const known = this.states.get(key);
    if (known !== undefined) return known;
    if (this.states.size >= MAX_STATES) this.states = new Map();
    const size = this.end + 1;
    const state: State = {
      kernel,
      before,
      next: new Array<undefined>(size),
      accepts: new Array<undefined>(size),
    };
    this.states.set(key, state);
    return state;
  }

  private advance(state: State, unit: number): State {
    const { reached, accepts } = this.closure(state, unit);
    const kernel = new Set<number>(this.floating);
    for (const index of reached) {
      const step = this.steps[index];
      if (step?.op === 'units' && this.takes(index, step.ranges)[unit] === 1) kernel.add(step.next);
    }
    const next = this.state(
      unit === this.end ? NONE : ascending(kernel),
      this.isWord[unit] === true ? AFTER_WORD : AFTER_OTHER,
    );
    state.next[unit] = next;
    if (accepts.length > 0) state.accepts[unit] = accepts;
    return next;
  }

  private takes(index: number, ranges: Ranges): Uint8Array {
    const known = this.taken[index];
    if (known !== undefined) return known;
    return (this.taken[index] = Uint8Array.from(this.classes.starts, (unit) => Number(within(ranges, unit))));
  }

  /** Everything reachable without reading, now that the characters on both sides are known. */
  private closure(state: State, unit: number): { reached: Set<number>; accepts: readonly number[] } {
    const reached = new Set<number>();
    const accepts: number[] = [];
    const pending = [...state.kernel];
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (reached.has(index)) continue;
      reached.add(index);
      const step = this.steps[index];
      if (step?.op === 'accept') accepts.push(step.pattern);
      else if (step?.op === 'split') pending.push(step.next, step.other);
      else if (step?.op === 'assert' && this.holds(step.what, state, unit)) pending.push(step.next);
    }
    return { reached, accepts };
  }

  private holds(what: 'start' | 'end' | 'word' | 'notWord', state: State, unit: number): boolean {
    const atBorder = (state.before === AFTER_WORD) !== (this.isWord[unit] ?? false);
    switch (what) {
      case 'start':
        return state.before === START;
      case 'end':
        return unit === this.end;
      case 'word':
        return atBorder;
      case 'notWord':
        return !atBorder;
    }
  }
}

function ascending(numbers: Iterable<number>): readonly number[] {
  return [...numbers].sort((a, b) => a - b);
}
