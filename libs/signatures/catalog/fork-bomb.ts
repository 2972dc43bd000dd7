import { callMark } from '../marks.js';
import type { CodeSignature, SeenCall } from '../signature.js';

/**
 * Different processes that started others within WINDOW seconds. A script that starts programs one after the other is
 * one process, however many it starts; a bomb's children start children.
 */
const FORKERS = 50;
/** Or this many starts in the window, whoever made them. */
const STARTS = 1000;
const WINDOW = 10;

const isStart = ({ call }: SeenCall): boolean =>
  call.status === '' && !Object.values(call.arguments).some((argument) => argument.includes('CLONE_THREAD'));

export default {
  name: 'fork_bomb',
  description: 'Starts processes that start processes, far faster than any work needs',
  severity: 4,
  ttp: ['T1499.001'],
  apis: ['clone', 'clone3', 'fork', 'vfork'],
  match(_evidence, calls) {
    const starts = calls.filter(isStart);
    const forkers = new Map<number, number>();
    let first = 0;
    for (const [last, { call, process }] of starts.entries()) {
      forkers.set(process.procid, (forkers.get(process.procid) ?? 0) + 1);
      for (
        let old = starts[first];
        old !== undefined && call.time - old.call.time > WINDOW;
        old = starts[++first]
      ) {
        const left = (forkers.get(old.process.procid) ?? 0) - 1;
        if (left > 0) forkers.set(old.process.procid, left);
        else forkers.delete(old.process.procid);
      }
      if (forkers.size >= FORKERS || last - first + 1 >= STARTS) return starts.slice(first).map(callMark);
    }
    return [];
  },
} satisfies CodeSignature;
