import { beforeAll, expect, test } from '@jest/globals';
import type { Finding } from '../../apps/finding.js';
import { build, makeHome, malkoha, start } from '../support/malkoha.js';

beforeAll(build);

test('says what is right and what is wrong, each with its fix; the exit code tells', async () => {
  await using home = await makeHome('[cuckoo]\nmachinery = fake\n');
  const sound = await malkoha(home, 'doctor');
  expect(sound).toMatchObject({ code: 0, stderr: '' });
  expect(sound.stdout).toMatch(/^ok +disk space +\d+ MB are free in /m);
  expect(sound.stdout).toMatch(/^ok +fake1: agent +Malkoha's own agent/m);
  expect(sound.stdout).toMatch(/\nnothing is wrong · .*fine\n$/);

  const broken = await malkoha(home, 'doctor', '--machinery', 'vmware');
  expect(broken.code).toBe(1);
  expect(broken.stdout).toMatch(
    /^fail +configuration +--machinery: "vmware" is not one of qemu.*\n {9}fix: write one of/m,
  );
  expect(broken.stdout).toMatch(/\n1 thing is wrong · /);
});

test('--json is one document', async () => {
  await using home = await makeHome('[cuckoo]\nmachinery = fake\n');
  const { code, stdout, stderr } = await malkoha(home, 'doctor', '--json', '--machine', 'nobody');
  const { healthy, findings: found } = JSON.parse(stdout) as { healthy: boolean; findings: Finding[] };
  expect({ code, stderr, healthy }).toEqual({ code: 1, stderr: '', healthy: false });
  expect(found.at(-1)).toEqual({
    check: 'machine',
    status: 'fail',
    found: 'no machine is named "nobody"; there are: fake1',
    fix: 'name one of these with --machine',
  });
});

test('machines that a daemon has are left to it', async () => {
  await using home = await makeHome('[cuckoo]\nmachinery = fake\n');
  const up = start(home, 'up');
  await up.said(/Malkoha is up/);
  const { code, stdout } = await malkoha(home, 'doctor');
  up.process.kill('SIGINT');
  await up.ended;
  expect(stdout).toMatch(/^ok +REST API .* has the running daemon of this home/m);
  expect(stdout).toMatch(/^skipped +fake1: machine .*`malkoha machine test fake1`/m);
  expect(code).toBe(0);
});
