import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { call, dns, evidence, http, type EvidenceSketch } from '../../test/support/evidence.js';
import { runs } from '../../test/support/signature-cases/cases.js';
import { catalog } from '../../test/support/signature-cases/catalog.js';
import { credentials } from '../../test/support/signature-cases/credentials.js';
import { defense } from '../../test/support/signature-cases/defense.js';
import { execution } from '../../test/support/signature-cases/execution.js';
import { impact } from '../../test/support/signature-cases/impact.js';
import { network } from '../../test/support/signature-cases/network.js';
import { persistence } from '../../test/support/signature-cases/persistence.js';
import { stealth } from '../../test/support/signature-cases/stealth.js';
import { matchSignatures } from './engine.js';
import { loadSignatures } from './load.js';
import type { Signature } from './signature.js';

// Other work on the machine may slow this down.
jest.setTimeout(60_000);

const cases = {
  ...catalog,
  ...credentials,
  ...defense,
  ...execution,
  ...impact,
  ...network,
  ...persistence,
  ...stealth,
};

let signatures: readonly Signature[] = [];
beforeAll(async () => void (signatures = await loadSignatures()));

const names = (sketch: EvidenceSketch): string[] =>
  matchSignatures(evidence(sketch), signatures, (name, error) => {
    throw new Error(`${name} failed`, { cause: error });
  }).map((match) => match.name);

test('every signature has cases that hit and cases that nearly do', () => {
  expect(Object.keys(cases).sort()).toEqual(signatures.map(({ name }) => name).sort());
  expect(signatures.length).toBeGreaterThanOrEqual(20);
  expect(signatures.filter(({ ttp }) => (ttp ?? []).length === 0)).toEqual([]);
});

describe.each(Object.entries(cases))('%s', (name, { hits, misses }) => {
  test.each(hits.map((sketch, i) => [i, sketch] as const))('matches hit %i and shows proof', (_, sketch) => {
    const match = matchSignatures(evidence(sketch), signatures).find((each) => each.name === name);
    expect(match).toBeDefined();
    expect(match?.marks.length).toBeGreaterThan(0);
    expect(match?.markcount).toBeGreaterThanOrEqual(match?.marks.length ?? 0);
  });

  test.each(misses.map((sketch, i) => [i, sketch] as const))('leaves miss %i alone', (_, sketch) => {
    expect(names(sketch)).not.toContain(name);
  });
});

test('a program that does nothing matches nothing', () => {
  expect(names({})).toEqual([]);
  expect(names(runs('true'))).toEqual([]);
});

test('a plain download with curl is at most unusual', () => {
  const matches = matchSignatures(
    evidence({
      processes: [
        { command: 'sh /tmp/get.sh', calls: [call('vfork'), call('execve', ['/usr/bin/curl', '["curl"]'])] },
        {
          command: 'curl -sSo /home/user/page.html http://www.example.com/',
          parent: 1,
          summary: {
            file_opened: [
              '/etc/ld.so.cache',
              '/etc/resolv.conf',
              '/etc/hosts',
              '/etc/ssl/openssl.cnf',
              '/etc/passwd',
            ],
            file_failed: ['/home/user/.curlrc'],
            file_written: ['/home/user/page.html'],
            connects_ip: ['198.18.0.7:80'],
          },
        },
      ],
      network: {
        dns: [dns('www.example.com')],
        http: [http('http://www.example.com/', { 'user-agent': 'curl/7.88.1' })],
      },
    }),
    signatures,
  );
  expect(matches.map(({ name, severity }) => ({ name, severity }))).toEqual([
    { name: 'tool_user_agent', severity: 1 },
  ]);
});
