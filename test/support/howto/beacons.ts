import { iocMark } from '#signatures/marks.js';
import type { CodeSignature } from '#signatures/signature.js';

/** Requests for the same URL at nearly equal distances: a person does not click like that. */
const REQUESTS = 5;
const TOLERANCE = 0.1;

function isSteady(times: readonly number[]): boolean {
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? time));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  return mean > 0 && gaps.every((gap) => Math.abs(gap - mean) <= mean * TOLERANCE);
}

export default {
  name: 'beacons',
  description: 'Asks for the same page again and again at a steady pace',
  severity: 3,
  ttp: ['T1071.001'],
  match({ network }) {
    const times = new Map<string, number[]>();
    for (const { uri, time } of network?.http ?? []) times.set(uri, [...(times.get(uri) ?? []), time]);
    return [...times]
      .filter(([, each]) => each.length >= REQUESTS && isSteady(each))
      .map(([uri, each]) => iocMark('url', uri, `${each.length} times`));
  },
} satisfies CodeSignature;
