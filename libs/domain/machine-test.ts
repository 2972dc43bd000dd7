/**
 * What a machine is put through when it is tried out: restored from its snapshot, started, its agent asked, powered off,
 * and made ready for the next task.
 */
export const TEST_PHASES = ['restore', 'start', 'agent', 'stop', 'ready'] as const;
export type TestPhase = (typeof TEST_PHASES)[number];

/** How it went. */
export interface MachineTest {
  /** Milliseconds of each phase that was begun. */
  readonly phases: Readonly<Partial<Record<TestPhase, number>>>;
  /** Where it failed (null: before it began), and why; null: it passed. */
  readonly failed: { readonly phase: TestPhase | null; readonly reason: string } | null;
}
