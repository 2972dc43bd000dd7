import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { PROPERTIES } from '../support/malformed.js';

/** Seconds in all: `FUZZ_SECONDS=3600 npm run fuzz:api`. */
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? '600');

/** Requests between looks at the clock. */
const RUNS = 200;

/** Malformed requests for as long as one likes. A failure prints its seed and the smallest request that shows it. */
describe('REST API: fuzzing', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  const properties = Object.entries(PROPERTIES);
  test.each(properties)(
    '%s',
    async (_says, holds) => {
      const end = Date.now() + (SECONDS * 1000) / properties.length;
      while (Date.now() < end) await holds(api, RUNS);
      expect((await fetch(`${api.url}/cuckoo/status`)).status).toBe(200);
    },
    SECONDS * 1000 + 60_000,
  );
});
