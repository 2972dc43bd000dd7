import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { eventually, resultLab } from '../../test/support/result-lab.js';

describe('nobody replaces what is there', () => {
  test('the second upload of a name is kept beside the first', async () => {
    await using lab = await resultLab();
    await lab.send('FILE\nfiles/a.exe\nfirst');
    await lab.send('FILE\nfiles/a.exe\nsecond');
    expect(await lab.read('files/a.exe')).toBe('first');
    expect(await lab.read('files/a.1.exe')).toBe('second');
    expect(lab.anomalies).toEqual(['"files/a.exe" is there already; kept as "files/a.1.exe"']);
  });

  test('a name is taken when an upload starts, not when it ends', async () => {
    await using lab = await resultLab();
    const slow = await lab.connect();
    slow.write('FILE\nfiles/a\nfir');
    await eventually(() => lab.results.stats.bytes === 3);
    await lab.send('FILE\nfiles/a\nforged');
    slow.end('st');
    await eventually(() => lab.entries.length === 2);
    slow.destroy();
    expect(await lab.read('files/a')).toBe('first');
  });

  test('a second LOG and a second BSON of a process get files of their own, and are anomalies', async () => {
    await using lab = await resultLab();
    for (const content of ['one', 'two']) {
      await lab.send(`LOG\n${content}`);
      await lab.send(`BSON 7\n${content}`);
    }
    expect(await lab.read('analysis.log')).toBe('one');
    expect(await lab.read('analysis.log.1')).toBe('two');
    expect(await lab.read('logs/7.bson')).toBe('one');
    expect(await lab.read('logs/7.1.bson')).toBe('two');
    expect(lab.anomalies.length).toBe(2);
  });

  test('a file, a folder or a link that is there by other hands stays as it is', async () => {
    await using lab = await resultLab();
    await writeFile(join(lab.dir, 'files/a'), 'host');
    await mkdir(join(lab.dir, 'files/b'));
    await symlink('/etc/passwd', join(lab.dir, 'files/c'));
    await symlink(join(lab.dir, 'planted'), join(lab.dir, 'analysis.log'));
    for (const name of ['a', 'b', 'c']) await lab.send(`FILE\nfiles/${name}\nguest`);
    await lab.send('LOG\nguest');
    expect(await lab.read('files/a')).toBe('host');
    expect((await readdir(join(lab.dir, 'files'))).sort()).toEqual(['a', 'a.1', 'b', 'b.1', 'c', 'c.1']);
    expect(await lab.read('analysis.log.1')).toBe('guest');
    expect(await readdir(lab.dir)).not.toContain('planted');
  });

  test('a name sent without end is refused in the end', async () => {
    await using lab = await resultLab();
    for (let n = 0; n < 20; n += 1) await lab.send('FILE\nfiles/a\nx');
    expect((await readdir(join(lab.dir, 'files'))).length).toBe(17);
    expect(lab.results.stats.refused).toBe(3);
  });
});
