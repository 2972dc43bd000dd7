import type { Evidence, Mark, SignatureMatch } from '#domain/report.js';
import { describeTechniques } from './attack.js';
import type { Condition, ValuesCondition } from './condition.js';
import { callMark, itemMark, uniqueMarks } from './marks.js';
import { compileMatcher, parsePattern, SUBJECT_LIMIT } from './pattern.js';
import { PatternSet } from './regex/set.js';
import type { CodeSignature, SeenCall, Signature } from './signature.js';
import { isSummarySource, readByProcess, readSource, type Item, type SourceName } from './sources.js';
import { watchCalls, watchSequence, type Watcher, type WatchPlan } from './watch.js';

/** Marks kept per match: Cuckoo's bound. All are counted. */
export const MARKS_KEPT = 50;

/** What every condition of every rule found. Conditions are told apart by identity. */
interface Found {
  readonly items: ReadonlyMap<ValuesCondition, readonly Item[]>;
  readonly calls: ReadonlyMap<Condition, Watcher>;
  readonly handed: ReadonlyMap<CodeSignature, readonly SeenCall[]>;
}

/** All conditions on one source, compiled into one set: each text of the evidence is read once for all rules. */
interface Reader {
  readonly source: SourceName;
  readonly byProcess: boolean;
  readonly set: PatternSet;
  /** pattern number → what it belongs to. */
  readonly owners: readonly { readonly condition: ValuesCondition; readonly except: boolean }[];
  readonly process: ReadonlyMap<ValuesCondition, (name: string) => boolean>;
}

interface Program {
  readonly readers: readonly Reader[];
  readonly watched: readonly (readonly [Condition, WatchPlan])[];
  readonly code: readonly CallReader[];
  readonly apis: ReadonlySet<string>;
}

const programs = new WeakMap<readonly Signature[], Program>();

const isRule = (signature: Signature): signature is Extract<Signature, { when: Condition }> =>
  'when' in signature;

type CallReader = CodeSignature & { readonly apis: readonly string[] };

const wantsCalls = (signature: Signature): signature is CallReader =>
  !isRule(signature) && signature.apis !== undefined;

function leaves(condition: Condition): readonly Condition[] {
  switch (condition.kind) {
    case 'any':
    case 'all':
    case 'at_least':
      return condition.of.flatMap(leaves);
    case 'not':
      return leaves(condition.of);
    case 'values':
    case 'calls':
    case 'sequence':
      return [condition];
  }
}

function compileReader(conditions: readonly ValuesCondition[]): Reader {
  const first = conditions[0];
  if (first === undefined) throw new RangeError('a reader needs a condition');
  const patterns = conditions.flatMap((condition) => [
    ...condition.matcher.patterns.map((pattern) => ({ pattern, condition, except: false })),
    ...condition.matcher.except.map((pattern) => ({ pattern, condition, except: true })),
  ]);
  return {
    source: first.source,
    byProcess: first.process !== null,
    set: new PatternSet(patterns.map(({ pattern }) => parsePattern(pattern))),
    owners: patterns,
    process: new Map(
      conditions.flatMap((condition) =>
        condition.process === null ? [] : [[condition, compileMatcher(condition.process)] as const],
      ),
    ),
  };
}

function compile(signatures: readonly Signature[]): Program {
  const all = signatures.flatMap((signature) => (isRule(signature) ? leaves(signature.when) : []));
  const bySource = new Map<string, ValuesCondition[]>();
  const watched: (readonly [Condition, WatchPlan])[] = [];
  for (const leaf of all) {
    if (leaf.kind === 'calls') watched.push([leaf, watchCalls(leaf)]);
    if (leaf.kind === 'sequence') watched.push([leaf, watchSequence(leaf)]);
    if (leaf.kind !== 'values') continue;
    const key = `${leaf.source} ${String(leaf.process === null)}`;
    bySource.set(key, [...(bySource.get(key) ?? []), leaf]);
  }
  const code = signatures.filter(wantsCalls);
  return {
    readers: [...bySource.values()].map(compileReader),
    watched,
    code,
    apis: new Set([...watched.flatMap(([, plan]) => plan.apis), ...code.flatMap(({ apis }) => apis)]),
  };
}

function readInto(found: Map<ValuesCondition, Item[]>, reader: Reader, evidence: Evidence): void {
  const items =
    reader.byProcess && isSummarySource(reader.source)
      ? readByProcess(reader.source, evidence)
      : readSource(reader.source, evidence);
  for (const item of items) {
    const matched = reader.set.matches(item.text, SUBJECT_LIMIT).flatMap((i) => reader.owners[i] ?? []);
    const refused = new Set(matched.filter(({ except }) => except).map(({ condition }) => condition));
    for (const condition of new Set(
      matched.filter(({ except }) => !except).map((owner) => owner.condition),
    )) {
      if (refused.has(condition)) continue;
      if (reader.process.get(condition)?.(item.by?.process_name ?? '') === false) continue;
      const list = found.get(condition);
      if (list === undefined) found.set(condition, [item]);
      else list.push(item);
    }
  }
}

/** Calls that somebody asked for, in order of time (then process and index, so that ties do not depend on luck). */
function seenCalls(evidence: Evidence, apis: ReadonlySet<string>): readonly SeenCall[] {
  const seen = (evidence.behavior?.processes ?? []).flatMap((process) =>
    process.calls.flatMap((call, cid) => (apis.has(call.api) ? [{ process, cid, call }] : [])),
  );
  return seen.sort(
    (a, b) => a.call.time - b.call.time || a.process.procid - b.process.procid || a.cid - b.cid,
  );
}

function look(program: Program, evidence: Evidence): Found {
  const items = new Map<ValuesCondition, Item[]>();
  for (const reader of program.readers) readInto(items, reader, evidence);

  const calls = new Map<Condition, Watcher>();
  const interested = new Map<string, ((seen: SeenCall) => void)[]>();
  const dispatch = (apis: readonly string[], see: (seen: SeenCall) => void): void => {
    for (const api of new Set(apis)) interested.set(api, [...(interested.get(api) ?? []), see]);
  };
  for (const [condition, plan] of program.watched) {
    const watcher = plan.start();
    calls.set(condition, watcher);
    dispatch(plan.apis, (seen) => watcher.see(seen));
  }
  const handed = new Map<CodeSignature, SeenCall[]>();
  for (const signature of program.code) {
    const list: SeenCall[] = [];
    handed.set(signature, list);
    dispatch(signature.apis, (seen) => void list.push(seen));
  }
  for (const seen of seenCalls(evidence, program.apis)) {
    for (const see of interested.get(seen.call.api) ?? []) see(seen);
  }
  return { items, calls, handed };
}

/** Proof that the condition holds, null when it does not. `not` holds without proof. */
function prove(condition: Condition, found: Found): readonly Mark[] | null {
  switch (condition.kind) {
    case 'any':
      return atLeast(1, condition.of, found);
    case 'all':
      return atLeast(condition.of.length, condition.of, found);
    case 'at_least':
      return atLeast(condition.n, condition.of, found);
    case 'not':
      return prove(condition.of, found) === null ? [] : null;
    case 'values': {
      const marks = uniqueMarks(
        (found.items.get(condition) ?? []).map((item) => itemMark(condition.source, item)),
      );
      return marks.length >= condition.count ? marks : null;
    }
    case 'calls':
    case 'sequence': {
      const proof = found.calls.get(condition)?.proof ?? [];
      return proof.length > 0 ? proof.map(callMark) : null;
    }
  }
}

function atLeast(n: number, conditions: readonly Condition[], found: Found): readonly Mark[] | null {
  const proven = conditions.flatMap((condition) => {
    const marks = prove(condition, found);
    return marks === null ? [] : [marks];
  });
  return proven.length >= n ? proven.flat() : null;
}

function describe(signature: Signature, marks: readonly Mark[]): SignatureMatch {
  return {
    name: signature.name,
    description: signature.description,
    severity: signature.severity,
    families: signature.families ?? [],
    references: signature.references ?? [],
    ttp: describeTechniques(signature.ttp ?? []),
    marks: marks.slice(0, MARKS_KEPT),
    markcount: marks.length,
  };
}

/**
 * What the evidence shows, sorted by severity ascending, then by name. The list is compiled the first time it is seen,
 * so pass the same array for every task. A signature that throws costs only itself.
 */
export function matchSignatures(
  evidence: Evidence,
  signatures: readonly Signature[],
  onFailure: (signature: string, error: unknown) => void = () => undefined,
): SignatureMatch[] {
  const program = programs.get(signatures) ?? compile(signatures);
  programs.set(signatures, program);
  const found = look(program, evidence);

  const matches = signatures.flatMap((signature) => {
    try {
      const proof = isRule(signature)
        ? prove(signature.when, found)
        : signature.match(evidence, found.handed.get(signature) ?? []);
      const marks = uniqueMarks(proof ?? []);
      return marks.length > 0 ? [describe(signature, marks)] : [];
    } catch (error) {
      onFailure(signature.name, error);
      return [];
    }
  });
  return matches.sort((a, b) => a.severity - b.severity || (a.name < b.name ? -1 : Number(a.name > b.name)));
}
