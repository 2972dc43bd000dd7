import type { CallFilter, CallsCondition, Scope, SequenceCondition, SequenceStep } from './condition.js';
import { compileMatcher } from './pattern.js';
import type { SeenCall } from './signature.js';

/** Half-finished sequences kept per sequence: a guest must not fill our memory with first steps. */
const MAX_OPEN = 256;

/** Looks at the calls of one run, in order of time; `proof` is empty until the condition holds. */
export interface Watcher {
  see(seen: SeenCall): void;
  readonly proof: readonly SeenCall[];
}

export interface WatchPlan {
  readonly apis: readonly string[];
  start(): Watcher;
}

type Test = (seen: SeenCall) => boolean;

function compileFilter(filter: CallFilter): Test {
  const apis = new Set(filter.apis);
  const process = filter.process === null ? null : compileMatcher(filter.process);
  const values = Object.entries(filter.arguments).map(
    ([name, matcher]) => [name, compileMatcher(matcher)] as const,
  );
  const { status } = filter;
  return ({ call, process: by }) => {
    if (!apis.has(call.api)) return false;
    if (status === 'success' ? call.status !== '' : status === 'failure' ? call.status === '' : false)
      return false;
    if (typeof status === 'object' && status !== null && !status.includes(call.status)) return false;
    if (process !== null && !process(by.process_name)) return false;
    return values.every(([name, test]) =>
      name === 'any' ? Object.values(call.arguments).some(test) : test(call.arguments[name] ?? ''),
    );
  };
}

const group = (scope: Scope, seen: SeenCall): number => (scope === 'run' ? 0 : seen.process.procid);

export function watchCalls(condition: CallsCondition): WatchPlan {
  const test = compileFilter(condition);
  const { count, seconds, scope, distinct } = condition;
  return {
    apis: condition.apis,
    start() {
      /** By group: calls not too old to count, oldest first, under the value they are told apart by. */
      const windows = new Map<number, Map<string | SeenCall, SeenCall>>();
      const held = new Set<number>();
      const proof: SeenCall[] = [];
      return {
        proof,
        see(seen) {
          if (!test(seen)) return;
          const key = group(scope, seen);
          if (held.has(key)) {
            proof.push(seen);
            return;
          }
          const window = windows.get(key) ?? new Map<string | SeenCall, SeenCall>();
          windows.set(key, window);
          const unit = distinct === null ? seen : (seen.call.arguments[distinct] ?? '');
          window.delete(unit);
          window.set(unit, seen);
          for (const [old, { call }] of window) {
            if (seconds === null || seen.call.time - call.time <= seconds) break;
            window.delete(old);
          }
          if (window.size < count) return;
          held.add(key);
          proof.push(...window.values());
          windows.delete(key);
        },
      };
    },
  };
}

interface Open {
  readonly taken: readonly SeenCall[];
  readonly variables: Readonly<Record<string, string>>;
}

function follow(step: SequenceStep, open: Open, seen: SeenCall): Open | null {
  const { arguments: values } = seen.call;
  if (Object.entries(step.same).some(([name, variable]) => values[name] !== open.variables[variable]))
    return null;
  const remembered = Object.entries(step.remember).map(([name, from]) => [name, values[from] ?? ''] as const);
  return {
    taken: [...open.taken, seen],
    variables: { ...open.variables, ...Object.fromEntries(remembered) },
  };
}

/** Names remembered before each step, so that what waits for it can be found by their values. */
function knownBefore(steps: readonly SequenceStep[]): readonly (readonly string[])[] {
  return steps.map((_, i) =>
    [...new Set(steps.slice(0, i).flatMap((step) => Object.keys(step.remember)))].sort(),
  );
}

const keyOf = (names: readonly string[], values: Readonly<Record<string, string | undefined>>): string =>
  JSON.stringify(names.map((name) => values[name] ?? ''));

export function watchSequence(condition: SequenceCondition): WatchPlan {
  const known = knownBefore(condition.steps);
  const steps = condition.steps.map((step, i) => {
    const byVariable = Object.fromEntries(
      Object.entries(step.same).map(([name, variable]) => [variable, name]),
    );
    const names = known[i] ?? [];
    // When the call itself gives every variable, what waits for it is looked up instead of searched.
    const direct = names.every((name) => name in byVariable);
    return { step, test: compileFilter(step), names, byVariable, direct };
  });
  const { scope, seconds } = condition;
  return {
    apis: [...new Set(condition.steps.flatMap((step) => step.apis))],
    start() {
      /** By group: what waits for step number i, keyed by its variables so that repeats do not pile up. */
      const waiting = new Map<number, Map<string, Open>[]>();
      const proof: SeenCall[] = [];
      const nothing: Open = { taken: [], variables: {} };

      const candidates = (each: (typeof steps)[number], stage: Map<string, Open>, seen: SeenCall): Open[] => {
        if (!each.direct) return [...stage.values()];
        const values = each.names.map(
          (name) => [name, seen.call.arguments[each.byVariable[name] ?? '']] as const,
        );
        const open = stage.get(keyOf(each.names, Object.fromEntries(values)));
        return open === undefined ? [] : [open];
      };

      return {
        proof,
        see(seen) {
          const key = group(scope, seen);
          const stages = waiting.get(key) ?? steps.map(() => new Map<string, Open>());
          waiting.set(key, stages);
          // Last step first: one call must not be two steps of the same sequence.
          for (let i = steps.length - 1; i >= 0; i--) {
            const each = steps[i];
            const stage = stages[i];
            if (each === undefined || stage === undefined || !each.test(seen)) continue;
            for (const before of i === 0 ? [nothing] : candidates(each, stage, seen)) {
              if (seconds !== null && seen.call.time - (before.taken[0] ?? seen).call.time > seconds)
                continue;
              const after = follow(each.step, before, seen);
              if (after === null) continue;
              if (i === steps.length - 1) proof.push(...after.taken);
              else keep(stages[i + 1], keyOf(steps[i + 1]?.names ?? [], after.variables), after);
            }
          }
        },
      };
    },
  };
}

/** The newest of equals replaces the older, the oldest of too many goes. */
function keep(stage: Map<string, Open> | undefined, key: string, open: Open): void {
  if (stage === undefined) return;
  stage.delete(key);
  stage.set(key, open);
  const oldest = stage.keys().next().value;
  if (stage.size > MAX_OPEN && oldest !== undefined) stage.delete(oldest);
}
