import { SandboxError } from '#domain/errors.js';
import { within } from '#queue/within.js';
import { mustTakeWrites } from '#storage/writable.js';
import { mustHaveSpace } from '../../disk.js';
import type { Check } from '../../http/readiness.js';
import { tryToWrite } from '../../nameless.js';
import type { Context } from '../context.js';

/** What it takes to take a task and hand it on. Nodes that are away are no reason to take none. */
export function checksOf(by: Context): Readonly<Record<string, Check>> {
  const { samplesDirectory, reportsDirectory, freespace } = by.settings;
  return {
    database: async () => {
      await mustTakeWrites(by.db);
      return null;
    },
    redis: async () => {
      // A command to a Redis that is away would wait until it is back.
      if (by.redis.status !== 'ready') throw new SandboxError('QUEUE_UNAVAILABLE', 'Redis does not answer');
      await within(by.redis.ping());
      return null;
    },
    disk: async () => {
      for (const folder of [samplesDirectory, reportsDirectory]) {
        await tryToWrite(folder).catch((cause: unknown) => {
          const { code, message } = cause as NodeJS.ErrnoException;
          const what = `nothing can be written to ${folder}: ${code ?? message}`;
          throw new SandboxError('INTERNAL', what, { cause });
        });
        await mustHaveSpace(folder, freespace, 'distributed.conf');
      }
      return null;
    },
  };
}

/** Remarks on nodes that would be given tasks, if they answered. */
export async function nodesAway({ nodes }: Context): Promise<string | null> {
  const wanted = (await nodes.list()).filter(({ enabled }) => enabled);
  if (wanted.length === 0) return 'no node is enabled: tasks wait';
  const now = new Date();
  const away = wanted.filter(({ seenOn, retryOn }) => seenOn === null || (retryOn !== null && retryOn > now));
  if (away.length === 0) return null;
  return `${away.length} of ${wanted.length} nodes do not answer: ${away.map(({ name }) => name).join(', ')}`;
}
