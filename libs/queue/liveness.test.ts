import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LEASE_MS, Liveness, type SignOfLife } from './liveness.js';
import { workerId } from './worker-id.js';

const sign = (beat: number, id = 'elsewhere/1/1/a'): SignOfLife => ({ id, heartbeatOn: new Date(beat) });

test('who gives no new sign of life for longer than a lease is gone, however old the sign was at first', () => {
  let now = 0;
  const liveness = new Liveness(() => now);
  expect(liveness.gone([sign(0)])).toEqual([]); // a beat of 1970 says that its clock differs
  for (now of [LEASE_MS / 2, LEASE_MS]) expect(liveness.gone([sign(0)])).toEqual([]);
  now += 1;
  expect(liveness.gone([sign(0)])).toEqual(['elsewhere/1/1/a']);
  expect(liveness.gone([sign(-5)])).toEqual([]); // another sign is a sign, also of a clock that was set back
  now += LEASE_MS;
  expect(liveness.gone([sign(-5)])).toEqual([]);
});

test('nobody is gone after a pause of our own: what we did not see is not counted', () => {
  let now = 0;
  const liveness = new Liveness(() => now);
  liveness.gone([sign(1)]);
  now = 10 * LEASE_MS;
  expect(liveness.gone([sign(2)])).toEqual([]);
});

test('nobody is gone after a pause in which nobody looked: the database was away, and no sign could be given', () => {
  let now = 0;
  const liveness = new Liveness(() => now);
  liveness.gone([sign(1)]);
  now = 10 * LEASE_MS;
  expect(liveness.gone([sign(1)])).toEqual([]);
});

test('one that was not there for a look is new again', () => {
  let now = 0;
  const liveness = new Liveness(() => now);
  liveness.gone([sign(1)]);
  liveness.gone([]);
  now = LEASE_MS + 1;
  expect(liveness.gone([sign(1)])).toEqual([]);
});

test('of this host the kernel knows: a process that ended is gone at once, one that lives is not', () => {
  const own = workerId('a');
  const ended = own.replace(/\d+\/a$/, '1/a');
  expect(new Liveness(() => 0).gone([sign(0, own), sign(0, ended)])).toEqual([ended]);
});

test('whatever signs come, who is called gone was seen with the same sign for longer than a lease', () => {
  const looks = fc.array(
    fc.record({ pause: fc.nat(LEASE_MS / 2), beats: fc.array(fc.nat(2), { maxLength: 3 }) }),
  );
  fc.assert(
    fc.property(looks, (all) => {
      let now = 0;
      const liveness = new Liveness(() => now);
      const since = new Map<string, { beat: number; at: number }>();
      for (const { pause, beats } of all) {
        now += pause;
        const ids = beats.map((_, n) => `elsewhere/${n}`);
        for (const id of since.keys()) if (!ids.includes(id)) since.delete(id);
        beats.forEach((beat, n) => {
          const known = since.get(`elsewhere/${n}`);
          if (known?.beat !== beat) since.set(`elsewhere/${n}`, { beat, at: now });
        });
        const silent = ids.filter((id) => now - (since.get(id)?.at ?? now) > LEASE_MS);
        expect(liveness.gone(beats.map((beat, n) => sign(beat, `elsewhere/${n}`)))).toEqual(silent);
      }
    }),
  );
});
