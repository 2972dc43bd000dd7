import { WORD, type Node, type Ranges } from './parse.js';

/** One step of a Thompson machine. Numbers are indexes of steps. */
export type Step =
  | { readonly op: 'units'; readonly ranges: Ranges; next: number }
  | { readonly op: 'split'; next: number; other: number }
  | { readonly op: 'assert'; readonly what: 'start' | 'end' | 'word' | 'notWord'; next: number }
  | { readonly op: 'accept'; readonly pattern: number };

/** Steps one pattern may compile to: counted repetitions multiply. */
const MAX_STEPS = 4096;

/** Appends the machine of pattern number `pattern` to `steps` and returns its first step. */
export function assemble(tree: Node, pattern: number, steps: Step[]): number {
  const first = steps.length;
  const add = (step: Step): number => {
    if (steps.length - first >= MAX_STEPS)
      throw new RangeError(`the pattern needs more than ${MAX_STEPS} steps`);
    return steps.push(step) - 1;
  };

  /** Built back to front: every node knows the step that follows it. */
  const build = (node: Node, next: number): number => {
    switch (node.kind) {
      case 'empty':
        return next;
      case 'units':
        return add({ op: 'units', ranges: node.ranges, next });
      case 'assert':
        return add({ op: 'assert', what: node.what, next });
      case 'sequence':
        return node.of.reduceRight((following, part) => build(part, following), next);
      case 'choice':
        return node.of
          .map((part) => build(part, next))
          .reduceRight((other, start) => add({ op: 'split', next: start, other }));
      case 'repeat':
        return repeat(node.of, node.min, node.max, next);
    }
  };

  const repeat = (node: Node, min: number, max: number, next: number): number => {
    let following = next;
    if (max === Infinity) {
      const loop = add({ op: 'split', next, other: next });
      const step = steps[loop];
      if (step?.op === 'split') step.next = build(node, loop);
      following = loop;
    } else {
      for (let i = min; i < max; i++) {
        following = add({ op: 'split', next: build(node, following), other: next });
      }
    }
    for (let i = 0; i < min; i++) following = build(node, following);
    return following;
  };

  return build(tree, add({ op: 'accept', pattern }));
}

/** Must every match of this tree begin at the start of the subject? */
export function isAnchored(node: Node): boolean {
  if (node.kind === 'assert') return node.what === 'start';
  if (node.kind === 'sequence') return node.of[0] !== undefined && isAnchored(node.of[0]);
  if (node.kind === 'choice') return node.of.every(isAnchored);
  return false;
}

/**
 * Splits the code units into classes that no step can tell apart, so that a table of transitions stays small.
 * Word characters are told apart too, for \b.
 */
export function unitClasses(steps: readonly Step[]): {
  readonly starts: readonly number[];
  of(unit: number): number;
} {
  const borders = new Set([0]);
  for (const ranges of [WORD, ...steps.flatMap((step) => (step.op === 'units' ? [step.ranges] : []))]) {
    for (const [low, high] of ranges) borders.add(low).add(high + 1);
  }
  const starts = [...borders].filter((border) => border <= 0xffff).sort((a, b) => a - b);
  const find = (unit: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const small = Uint16Array.from({ length: 256 }, (_, unit) => find(unit));
  return { starts, of: (unit) => small[unit] ?? find(unit) };
}

export function within(ranges: Ranges, unit: number): boolean {
  return ranges.some(([low, high]) => unit >= low && unit <= high);
}
