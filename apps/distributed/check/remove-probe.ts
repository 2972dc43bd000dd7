import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from '#domain/deadline.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { NodeClient, RemoteTask } from '#nodes/node.js';
import { fail, ok, warn } from '../../verdict.js';
import { mend } from './mend.js';
import type { Patient, Tell } from './patient.js';

/** Milliseconds: a Cuckoo that runs it lets nobody delete it before its end. */
const REMOVE_MS = 60_000;
const PAUSE_MS = 1_000;
/** Calls that fail before it is left there. */
const FAILURES = 3;

interface Probe {
  /** Null: no answer told. */
  readonly id: number | null;
  readonly mark: string;
}

/** Also when nobody waits any more: by a time of its own. */
export async function removeProbe({ node, client }: Patient, { id, mark }: Probe, tell: Tell): Promise<void> {
  using within = deadline(REMOVE_MS, new AbortController().signal);
  const { signal } = within;
  let failures = 0;
  let why: unknown = 'it still runs, and this node cannot end it';
  try {
    for (;;) {
      try {
        const ids = (await copies(client, { id, mark }, signal)).map((task) => task.id);
        const gone = await Promise.all(ids.map((one) => client.remove(one, signal)));
        if (gone.every(Boolean)) break;
      } catch (error) {
        why = error;
        failures += 1;
        if (failures === FAILURES || isDenied(error)) throw error;
      }
      await sleep(PAUSE_MS, undefined, { signal });
    }
    tell('removal', ok('nothing of it is left on the node'));
  } catch {
    const task = id === null ? `with the owner ${mark}` : String(id);
    tell(
      'removal',
      isDenied(why)
        ? fail(
            `it does not let us delete task ${task}: ${reason(why)}`,
            `${mend(why)}; every task would stay there`,
          )
        : warn(
            `task ${task} is still on the node: ${reason(why)}`,
            `delete it there: GET ${node.url}tasks/delete/${id ?? 'ID'}`,
          ),
    );
  }
}

/** What does not carry its mark is somebody else's: a node that is set up anew counts from 1. */
async function copies(
  client: NodeClient,
  { id, mark }: Probe,
  signal: AbortSignal,
): Promise<readonly RemoteTask[]> {
  if (id === null) return await client.find(mark, signal);
  const seen = await client.view(id, signal);
  return seen?.mark === mark ? [seen] : [];
}

function isDenied(error: unknown): boolean {
  return error instanceof SandboxError && error.code === 'NODE_DENIED';
}
