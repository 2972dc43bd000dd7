/** What waits in one lane. */
export interface LaneDepth {
  readonly lane: string;
  readonly waiting: number;
  /** Milliseconds that its first task has waited; null: there is none. */
  readonly oldestMs: number | null;
}

/** Series of lanes at most: their names are made of what clients ask for. */
const MOST_LANES = 100;
/** Characters of a lane's name that are shown. */
const MOST_CHARACTERS = 120;
const OTHER = 'other';

/** The fullest lanes by names that are safe to show, and all others as one. No name is there twice. */
export function boundLanes(lanes: readonly LaneDepth[]): readonly LaneDepth[] {
  const byName = new Map<string, LaneDepth>();
  const fullest = [...lanes].sort((a, b) => b.waiting - a.waiting || (a.lane < b.lane ? -1 : 1));
  for (const [rank, one] of fullest.entries()) {
    const lane = rank < MOST_LANES ? harmless(one.lane) : OTHER;
    byName.set(lane, together(lane, one, byName.get(lane)));
  }
  return [...byName.values()];
}

function harmless(lane: string): string {
  return lane.slice(0, MOST_CHARACTERS).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

function together(lane: string, a: LaneDepth, b?: LaneDepth): LaneDepth {
  if (b === undefined) return { ...a, lane };
  const oldest = [a.oldestMs, b.oldestMs].filter((ms) => ms !== null);
  return {
    lane,
    waiting: a.waiting + b.waiting,
    oldestMs: oldest.length === 0 ? null : Math.max(...oldest),
  };
}
