import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { homePaths } from '#config/home.js';
import { ROOT } from '../support/malkoha.js';
import { form } from '../support/api-client.js';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** A process of its own, so that its memory is its own. */
describe('REST API: a large upload', () => {
  const home = { dir: '' };
  let api: ChildProcess;
  let url: string;
  beforeAll(async () => {
    home.dir = await mkdtemp(join(tmpdir(), 'large-'));
    await mkdir(join(home.dir, 'conf'));
    await writeFile(join(home.dir, 'conf/cuckoo.conf'), '[api]\nport = 0\n');
    api = spawn(process.execPath, [join(ROOT, 'dist/apps/api/main.js'), '--home', home.dir], {
      stdio: ['ignore', 'pipe', 'ignore'], // it has no Redis, and says so
    });
    if (!api.stdout) throw new Error('no output');
    const [line] = (await once(createInterface({ input: api.stdout }), 'line')) as [string];
    url = (JSON.parse(line) as { url: string }).url;
  });
  afterAll(async () => {
    const exited = once(api, 'exit');
    api.kill('SIGTERM');
    await exited;
    await rm(home.dir, { recursive: true });
  });

  test('1 GiB streams to disk while the process grows by less than 100 MiB', async () => {
    // What the first upload of all loads is not of this one.
    await fetch(`${url}/tasks/create/file`, { method: 'POST', body: form({}, { name: 'a', content: 'a' }) });
    const before = await memory(api, 'VmRSS');
    await writeFile(`/proc/${api.pid ?? 0}/clear_refs`, '5'); // the peak begins anew; see proc(5)

    const chunk = randomBytes(MIB);
    const hash = createHash('sha256');
    const upload = sending(GIB);
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    upload.write(HEAD);
    for (let sent = 0; sent < GIB; sent += MIB) {
      hash.update(chunk);
      if (!upload.write(chunk)) await once(upload, 'drain');
    }
    upload.end(TAIL);
    const [answer] = await answered;
    expect({ status: answer.statusCode, body: await text(answer) }).toMatchObject({ status: 200 });

    expect((await memory(api, 'VmHWM')) - before).toBeLessThan(100 * MIB);
    const stored = await stat(join(homePaths(home.dir).binaries, hash.digest('hex')));
    expect(stored.size).toBe(GIB);
  }, 600_000);

  const HEAD = Buffer.from('--XX\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n');
  const TAIL = Buffer.from('\r\n--XX--\r\n');

  function sending(size: number) {
    return request(`${url}/tasks/create/file`, {
      method: 'POST',
      headers: {
        'content-type': 'multipart/form-data; boundary=XX',
        'content-length': HEAD.length + size + TAIL.length,
      },
    });
  }
});

/** Bytes. */
async function memory({ pid = 0 }: ChildProcess, name: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
}
