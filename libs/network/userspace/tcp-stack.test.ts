import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Duplex } from 'node:stream';
import { dial, pair, type Pair, pattern, PORT, random, run, SMALL } from './link.fake.js';
import { ACK, FIN, RST, SYN } from './tcp-segment.js';

describe('over a link that loses, repeats and reorders', () => {
  test('every byte arrives once and in order, both ways, and both ends see the end', async () => {
    const scenario = fc.record({
      seed: fc.integer({ min: 1, max: 2 ** 30 }),
      // Beyond these bounds TCP itself gives up now and then: a last segment lost six times, a SYN later than the end.
      loss: fc.double({ min: 0, max: 0.2, noNaN: true }),
      repeat: fc.double({ min: 0, max: 0.3, noNaN: true }),
      jitter: fc.integer({ min: 0, max: 8 }),
      forward: fc.integer({ min: 0, max: 60_000 }),
      back: fc.integer({ min: 0, max: 60_000 }),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ seed, loss, repeat, jitter, forward, back }) => {
        const next = random(seed);
        const { clock, here, accepted } = pair(() => {
          const copies = next() < loss ? 0 : next() < repeat ? 2 : 1;
          return Array.from({ length: copies }, () => 1 + Math.floor(next() * (jitter + 1)));
        });
        const sent = [pattern(forward, seed), pattern(back, seed + 1)] as const;
        const client = dial(here);
        client.end(sent[0]);
        await run(clock, () => accepted.length > 0);
        const [server] = accepted;
        server?.end(sent[1]);
        const got: [Buffer[], Buffer[]] = [[], []];
        let ends = 0;
        for (const [i, stream] of [server, client].entries()) {
          stream?.on('data', (chunk: Buffer) => got[i]?.push(chunk)).on('end', () => ends++);
        }
        await run(clock, () => ends === 2 && client.writableFinished && server?.writableFinished === true);
        expect(Buffer.concat(got[0]).equals(sent[0])).toBe(true);
        expect(Buffer.concat(got[1]).equals(sent[1])).toBe(true);
        expect(here.budget.used).toBe(0);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  test('one lost segment is sent again before any timer', async () => {
    let dropped = false;
    const { clock, here, accepted } = pair((segment) => {
      const lose = !dropped && segment.end === 1000;
      dropped ||= lose;
      return lose ? [] : [1];
    });
    const client = dial(here);
    await run(clock, () => accepted.length > 0);
    const began = clock.now();
    client.end(pattern(8000, 7));
    let bytes = 0;
    accepted[0]?.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await run(clock, () => bytes === 8000);
    expect(dropped).toBe(true);
    expect(clock.now() - began).toBeLessThan(50);
  });
});

describe('a slow reader', () => {
  test('closes the window, and opening it goes on, even when the news is lost', async () => {
    let lose = false;
    const { clock, here, there, accepted } = pair((segment) =>
      lose && segment.flags === ACK && segment.end === 0 && segment.destinationPort === 40_000 ? [] : [1],
    );
    const client = dial(here);
    const sent = pattern(100_000, 3);
    client.end(sent);
    await run(clock, () => accepted.length > 0);
    const [server] = accepted;
    // Time enough for a sender that ignores windows to send everything.
    const until = clock.now() + 5000;
    await run(clock, () => clock.now() > until);
    expect(there.budget.used + (server?.readableLength ?? 0)).toBeLessThanOrEqual(SMALL.receiveWindow);
    lose = true;
    const got: Buffer[] = [];
    server?.on('data', (chunk: Buffer) => got.push(chunk));
    await new Promise((resolve) => setTimeout(resolve, 5));
    lose = false;
    await run(clock, () => Buffer.concat(got).length === sent.length);
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  });

  test('does not make the writer buffer without end', async () => {
    const { clock, here, accepted } = pair(() => [1]);
    const client = dial(here);
    await run(clock, () => accepted.length > 0);
    let callbacks = 0;
    for (let i = 0; i < 100; i++) client.write(Buffer.alloc(1000), () => callbacks++);
    const until = clock.now() + 3000;
    await run(clock, () => clock.now() > until);
    expect(callbacks).toBeLessThan(50);
    client.destroy();
  });
});

describe('half-close and reset', () => {
  test('one side may end and still hear the other', async () => {
    const { clock, here, accepted } = pair(() => [1]);
    const client = dial(here);
    client.end('question');
    await run(clock, () => accepted.length > 0);
    const heard: string[] = [];
    accepted[0]
      ?.on('data', (chunk: Buffer) => heard.push(String(chunk)))
      .on('end', () => accepted[0]?.end('answer'));
    client.on('data', (chunk: Buffer) => heard.push(String(chunk)));
    await run(clock, () => client.readableEnded);
    expect(heard).toEqual(['question', 'answer']);
  });

  test('nothing of a finished connection is left after a while', async () => {
    const { clock, here, there, accepted } = pair(() => [1]);
    const client = dial(here);
    client.end('x');
    await run(clock, () => accepted.length > 0);
    accepted[0]?.resume().end('y');
    client.resume();
    await run(clock, () => here.size === 0 && there.size === 0);
  });

  test('a stream destroyed with an error resets, and the other side reads what came before the error', async () => {
    const { clock, here, accepted } = pair(() => [1]);
    const client = dial(here);
    client.write('last words');
    await run(clock, () => client.writableLength === 0 && here.budget.used === 0 && accepted.length > 0);
    while (clock.advance()) await new Promise((resolve) => setImmediate(resolve));
    client.destroy(new Error('enough'));
    const heard: string[] = [];
    let error: unknown;
    accepted[0]
      ?.on('data', (chunk: Buffer) => heard.push(String(chunk)))
      .on('error', (cause) => (error = cause));
    await run(clock, () => error !== undefined);
    expect(heard).toEqual(['last words']);
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  test('a stream destroyed without one still delivers what was written', async () => {
    const { clock, here, accepted } = pair(() => [1]);
    const client = dial(here);
    await run(clock, () => accepted.length > 0);
    client.write(pattern(5000, 1));
    client.destroy();
    let bytes = 0;
    accepted[0]?.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('end', () => accepted[0]?.end());
    await run(clock, () => accepted[0]?.closed === true);
    expect(bytes).toBe(5000);
    expect(accepted[0]?.errored).toBeNull();
  });

  test('a refused call fails with ECONNREFUSED', async () => {
    const { clock, here } = pair(() => [1]);
    const client = dial(here, 9999);
    await run(clock, () => client.destroyed);
    expect(client.errored).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('hostile segments', () => {
  const established = async (): Promise<Pair & { client: Duplex }> => {
    const all = pair(() => [1]);
    const client = dial(all.here);
    await run(all.clock, () => all.accepted.length > 0);
    return { ...all, client };
  };
  const from = { sourcePort: PORT, destinationPort: 40_000 };

  test('a reset that only guesses is answered, not obeyed', async () => {
    const { client, forge, segments } = await established();
    const theirs = segments.find((s) => s.flags === (SYN | ACK))?.seq ?? 0;
    const before = segments.length;
    forge({ ...from, flags: RST, seq: (theirs + 500) | 0 });
    expect(client.destroyed).toBe(false);
    expect(segments.slice(before).map((s) => s.flags)).toEqual([ACK]);
  });

  test('data beyond the window and acknowledgements of the future change nothing', async () => {
    const { client, forge, segments, here } = await established();
    const seq = ((segments.find((s) => s.flags === (SYN | ACK))?.seq ?? 0) + 1) | 0;
    const ack = ((segments[0]?.seq ?? 0) + 1) | 0;
    const bytes = Buffer.alloc(1000);
    forge({ ...from, flags: ACK, seq: (seq + 20_000) | 0, ack, bytes, end: 1000, window: 1000 });
    forge({ ...from, flags: ACK, seq, ack: (ack + 77) | 0, bytes, end: 1000, window: 1000 });
    expect(here.budget.used).toBe(0);
    expect(client.readableLength).toBe(0);
  });

  test('random segments never throw and never break the accounts', async () => {
    const { client, forge, segments, here } = await established();
    const seq = segments.find((s) => s.flags === (SYN | ACK))?.seq ?? 0;
    const ack = segments[0]?.seq ?? 0;
    const segment = fc.record({
      flags: fc.constantFrom(ACK, ACK | FIN, SYN, SYN | ACK, FIN, 0, 63, ACK | 8),
      seq: fc.oneof(fc.integer({ min: -2, max: 30_000 }), fc.integer()),
      ack: fc.oneof(fc.integer({ min: -2, max: 10 }), fc.integer()),
      window: fc.nat(0xffff),
      mss: fc.nat(0xffff),
      scale: fc.integer({ min: -1, max: 14 }),
      length: fc.nat(1500),
    });
    fc.assert(
      fc.property(segment, (s) => {
        const bytes = Buffer.alloc(s.length);
        forge({ ...s, ...from, seq: (seq + s.seq) | 0, ack: (ack + s.ack) | 0, bytes, end: s.length });
        expect(here.budget.used).toBeLessThanOrEqual(SMALL.receiveWindow);
        expect(here.budget.used).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 3000 },
    );
    client.destroy();
    expect(here.budget.used).toBe(0);
  });

  test('a flood of SYNs keeps the newest and never more than the bound', async () => {
    const { forge, here, accepted, clock } = pair(() => [1]);
    for (let i = 0; i < 1000; i++) {
      forge({ sourcePort: 1000 + i, destinationPort: PORT, flags: SYN, seq: i, window: 1000 });
    }
    expect(here.size).toBe(SMALL.max);
    expect(accepted).toEqual([]);
    await run(clock, () => here.size === 0);
  });
});
