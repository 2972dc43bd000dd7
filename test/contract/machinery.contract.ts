import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { untilSettled } from '#machinery/until.js';
import type { Machinery } from '#machinery/machinery.js';

export interface MachineryUnderTest {
  readonly machinery: Machinery;
  /** Ends the named running guest from outside: kills its process, panics its kernel. */
  readonly lose: (name: string) => Promise<void>;
}

/** What every adapter owes the pool. Each adapter's test calls this with a way to get one; its first machine is used. */
export function machineryContract(name: string, get: () => MachineryUnderTest): void {
  describe(`${name} keeps the machinery contract`, () => {
    const patience = () => AbortSignal.timeout(60_000);
    const first = () => {
      const { machinery, lose } = get();
      const [machine] = machinery.machines;
      if (!machine) throw new Error('the contract needs a machine');
      return { machinery, machine, lose };
    };

    test('a prepared machine waits; start resumes it, stop leaves it off', async () => {
      const { machinery, machine } = first();
      await machinery.prepare(machine, patience());
      expect(['off', 'paused']).toContain(await machinery.state(machine));
      await machinery.start(machine, patience());
      expect(await machinery.state(machine)).toBe('running');
      await machinery.stop(machine, patience());
      expect(await machinery.state(machine)).toBe('off');
    });

    test('start restores a machine that was not prepared', async () => {
      const { machinery, machine } = first();
      await machinery.start(machine, patience());
      expect(await machinery.state(machine)).toBe('running');
      await machinery.stop(machine, patience());
    });

    test('a machine can be used again and again', async () => {
      const { machinery, machine } = first();
      for (let round = 0; round < 3; round++) {
        await machinery.prepare(machine, patience());
        await machinery.start(machine, patience());
        await machinery.stop(machine, patience());
      }
      expect(await machinery.state(machine)).toBe('off');
    });

    test('stop succeeds on a machine that is off', async () => {
      const { machinery, machine } = first();
      await machinery.stop(machine, patience());
      await machinery.stop(machine, patience());
      expect(await machinery.state(machine)).toBe('off');
    });

    test.each(['prepare', 'start'] as const)(
      'a cancelled %s rejects with the reason and leaves the machine safe to stop',
      async (verb) => {
        const { machinery, machine } = first();
        const reason = new Error('cancelled by test');
        await expect(machinery[verb](machine, AbortSignal.abort(reason))).rejects.toBe(reason);
        await machinery.stop(machine, patience());
        expect(await machinery.state(machine)).toBe('off');
      },
    );

    test('a prepare cancelled half-way rejects with the reason, and the next one works', async () => {
      const { machinery, machine } = first();
      const reason = new Error('cancelled by test');
      const cancel = new AbortController();
      const preparing = machinery.prepare(machine, cancel.signal);
      setTimeout(() => cancel.abort(reason), 20);
      // Whoever is faster than 20 ms has done it; that is no failure.
      await preparing.catch((error: unknown) => expect(error).toBe(reason));
      await machinery.stop(machine, patience());
      await machinery.start(machine, patience());
      await machinery.stop(machine, patience());
    });

    test('losing a running guest is told to whoever asked', async () => {
      const { machinery, machine, lose } = first();
      await machinery.start(machine, patience());
      const lost = machinery.lost(machine);
      expect(lost.aborted).toBe(false);
      await lose(machine.name);
      await aborted(lost);
      expect(lost.reason).toMatchObject({ code: 'GUEST_LOST' });
      await machinery.stop(machine, patience());
    });

    test('stopping a guest is not losing it, and a new run is not lost because the last one was', async () => {
      const { machinery, machine, lose } = first();
      await machinery.start(machine, patience());
      const stopped = machinery.lost(machine);
      await machinery.stop(machine, patience());
      expect(stopped.aborted).toBe(false);
      await machinery.start(machine, patience());
      await lose(machine.name);
      await aborted(machinery.lost(machine));
      await machinery.start(machine, patience());
      expect(machinery.lost(machine).aborted).toBe(false);
      await machinery.stop(machine, patience());
      expect(stopped.aborted).toBe(false);
    });

    test('a screenshot is a PPM or PNG, and the guest runs on', async () => {
      const { machinery, machine } = first();
      if (!machinery.screenshot) return;
      await machinery.start(machine, patience());
      const screen = await machinery.screenshot(machine, patience());
      expect(screen.toString('latin1', 0, 4)).toMatch(/^P6\s|^\x89PNG/);
      expect(await machinery.state(machine)).toBe('running');
      await machinery.stop(machine, patience());
    });

    test('a memory dump lands where it was asked for, and the guest runs on', async () => {
      const { machinery, machine } = first();
      if (!machinery.dumpMemory) return;
      const folder = await mkdtemp(join(tmpdir(), 'machinery-contract-'));
      try {
        await machinery.start(machine, patience());
        await machinery.dumpMemory(machine, join(folder, 'memory.dmp'), patience());
        expect((await stat(join(folder, 'memory.dmp'))).size).toBeGreaterThan(0);
        expect(await machinery.state(machine)).toBe('running');
      } finally {
        await machinery.stop(machine, patience());
        await rm(folder, { recursive: true, force: true });
      }
    });
  });
}

/** Resolves when `signal` aborts; fails after ten seconds. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const told = new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  await untilSettled(told, AbortSignal.timeout(10_000));
}
