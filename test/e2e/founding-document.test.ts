import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { make } from '../contract/rest-api/world.js';

const run = promisify(execFile);
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Of the founding document's examples only the address and the paths of files are changed. */
const CREATE_FILE = `
import requests
import json

REST_URL = "http://localhost:8090/tasks/create/file"
SAMPLE_FILE = "/path/to/malwr.exe"

with open(SAMPLE_FILE, "rb") as sample:
    multipart_file = {"file": ("temp_file_name", sample)}
    request = requests.post(REST_URL, files=multipart_file)

json_decoder = json.JSONDecoder()
task_ids = json_decoder.decode(request.text)["task_ids"]
print(task_ids)
`;
const CREATE_URL = `
import requests
import json

REST_URL = "http://localhost:8090/tasks/create/url"
SAMPLE_URL = "http://example.org/malwr.exe"

multipart_url = {"url": ("", SAMPLE_URL)}
request = requests.post(REST_URL, files=multipart_url)

json_decoder = json.JSONDecoder()
task_id = json_decoder.decode(request.text)["task_id"]
print(task_id)
`;

let api: TestApi;
let dir: string;

/** The lines of the document, with our address and files. Returns what the program printed. */
async function shell(line: string): Promise<string> {
  const { stdout } = await run('sh', ['-c', placed(line)], { cwd: dir });
  return stdout;
}

async function python(script: string): Promise<unknown> {
  const file = join(dir, 'example.py');
  await writeFile(file, placed(script));
  return JSON.parse((await run('/usr/bin/python3', [file])).stdout);
}

function placed(text: string): string {
  return text
    .replaceAll('http://localhost:8090', api.url)
    .replaceAll('/path/to/file', join(dir, 'sample.sh'))
    .replaceAll('/path/to/malwr.exe', join(dir, 'malwr.exe'));
}

const keys = (value: object) => Object.keys(value).toSorted();

/** What the document's example of a task holds. */
const TASK_KEYS = [
  ...['category', 'machine', 'errors', 'target', 'package', 'sample_id', 'guest', 'custom', 'priority'],
  ...['platform', 'options', 'status', 'enforce_timeout', 'timeout', 'memory', 'tags', 'id', 'added_on'],
  'completed_on',
];

describe("the founding document's own examples, as written", () => {
  beforeAll(async () => {
    api = await startApi();
    dir = await mkdtemp(join(tmpdir(), 'founding-'));
    await writeFile(join(dir, 'sample.sh'), '#!/bin/sh\n');
    await writeFile(join(dir, 'malwr.exe'), 'MZ');
    await api.context.machines.register('host/1/1', [
      {
        ...{ name: 'cuckoo1', label: 'cuckoo1', platform: 'windows', tags: ['32bit', 'acrobat_6'] },
        ...{
          ip: '192.168.56.101',
          resultServer: { ip: '192.168.56.1', port: 2042 },
          arch: 'x64',
          reserved: false,
          snapshot: null,
        },
      },
    ]);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  test('curl -F file=@/path/to/file http://localhost:8090/tasks/create/file', async () => {
    expect(
      JSON.parse(await shell('curl -sS -F file=@/path/to/file http://localhost:8090/tasks/create/file')),
    ).toEqual({
      task_id: 1,
      task_ids: [1],
    });
  });

  test('the Python example of tasks/create/file', async () => {
    expect(await python(CREATE_FILE)).toEqual([2]);
    const { task } = JSON.parse(await shell('curl -sS http://localhost:8090/tasks/view/2')) as {
      task: { target: string };
    };
    expect(task.target).toMatch(/\/temp_file_name$/);
  });

  test('curl -F url="http://www.malicious.site" http://localhost:8090/tasks/create/url', async () => {
    const line = 'curl -sS -F url="http://www.malicious.site" http://localhost:8090/tasks/create/url';
    expect(JSON.parse(await shell(line))).toMatchObject({ task_id: 3 });
  });

  test('the Python example of tasks/create/url', async () => {
    expect(await python(CREATE_URL)).toBe(4);
    const { task } = JSON.parse(await shell('curl -sS http://localhost:8090/tasks/view/4')) as {
      task: object;
    };
    expect(task).toMatchObject({ category: 'url', target: 'http://example.org/malwr.exe' });
  });

  test('curl http://localhost:8090/tasks/list', async () => {
    const { tasks } = JSON.parse(await shell('curl -sS http://localhost:8090/tasks/list')) as {
      tasks: object[];
    };
    expect(tasks).toHaveLength(4);
    for (const task of tasks) expect(keys(task)).toEqual(expect.arrayContaining(TASK_KEYS));
  });

  test('curl http://localhost:8090/tasks/view/1', async () => {
    const { task } = JSON.parse(await shell('curl -sS http://localhost:8090/tasks/view/1')) as {
      task: object;
    };
    expect(keys(task)).toEqual(expect.arrayContaining(TASK_KEYS));
    expect(task).toMatchObject({
      id: 1,
      status: 'pending',
      tags: [],
      guest: {},
      completed_on: null,
      priority: 1,
    });
  });

  test('curl http://localhost:8090/tasks/delete/1', async () => {
    expect(JSON.parse(await shell('curl -sS http://localhost:8090/tasks/delete/1'))).toEqual({
      status: 'OK',
    });
    expect(await shell('curl -sS -o /dev/null -w %{http_code} http://localhost:8090/tasks/view/1')).toBe(
      '404',
    );
  });

  test('curl http://localhost:8090/tasks/report/N and wget http://localhost:8090/tasks/screenshots/N', async () => {
    const id = await make(api, 'reported');
    const report = JSON.parse(await shell(`curl -sS http://localhost:8090/tasks/report/${id}`)) as object;
    expect(keys(report)).toContain('info');
    await shell(`wget -q http://localhost:8090/tasks/screenshots/${id}`);
    // wget may name it as the server suggests only when told to.
    expect((await readFile(join(dir, String(id)))).subarray(0, 2).toString()).toBe('PK');
    await shell(`curl -sS http://localhost:8090/pcap/get/${id} > dump.pcap`);
    expect(await readFile(join(dir, 'dump.pcap'), 'utf8')).toBe('capture');
  });

  test('curl http://localhost:8090/files/view/id/N: the empty file of the example', async () => {
    await writeFile(join(dir, 'empty'), '');
    await shell(`curl -sS -F file=@${join(dir, 'empty')} http://localhost:8090/tasks/create/file`);
    const found = JSON.parse(
      await shell(`curl -sS http://localhost:8090/files/view/sha256/${EMPTY_SHA256}`),
    ) as {
      sample: { id: number };
    };
    const byId = JSON.parse(
      await shell(`curl -sS http://localhost:8090/files/view/id/${found.sample.id}`),
    ) as object;
    expect(byId).toMatchObject({
      sample: {
        sha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
        file_type: 'empty',
        file_size: 0,
        crc32: '00000000',
        ssdeep: '3::',
        sha256: EMPTY_SHA256,
        sha512:
          'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
        md5: 'd41d8cd98f00b204e9800998ecf8427e',
      },
    });
  });

  test('curl http://localhost:8090/files/get/SHA256 > sample.exe', async () => {
    await shell(`curl -sS http://localhost:8090/files/get/${EMPTY_SHA256} > sample.exe`);
    expect(await readFile(join(dir, 'sample.exe'), 'utf8')).toBe('');
  });

  test('curl http://localhost:8090/machines/list and machines/view/cuckoo1', async () => {
    const machine = {
      ...{
        status: null,
        locked: false,
        name: 'cuckoo1',
        resultserver_ip: '192.168.56.1',
        ip: '192.168.56.101',
      },
      ...{ tags: ['32bit', 'acrobat_6'], label: 'cuckoo1', locked_changed_on: null, platform: 'windows' },
      ...{ snapshot: null, interface: null, status_changed_on: null, id: 1, resultserver_port: '2042' },
    };
    expect(JSON.parse(await shell('curl -sS http://localhost:8090/machines/list'))).toMatchObject({
      machines: [machine],
    });
    expect(JSON.parse(await shell('curl -sS http://localhost:8090/machines/view/cuckoo1'))).toMatchObject({
      machine,
    });
  });

  test('curl http://localhost:8090/cuckoo/status', async () => {
    expect(JSON.parse(await shell('curl -sS http://localhost:8090/cuckoo/status'))).toMatchObject({
      tasks: {
        reported: 1,
        running: 0,
        total: expect.any(Number),
        completed: 0,
        pending: expect.any(Number),
      },
      protocol_version: 1,
      machines: { available: 1, total: 1 },
      tools: ['vanilla'],
    });
  });
});
