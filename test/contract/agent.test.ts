import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { deadline } from '#domain/deadline.js';
import { AgentClient } from '#guest/agent.js';
import { bytes } from '#guest/body.js';
import { dialTcp } from '#guest/dial.js';
import { runAnalysis } from '#guest/run.js';
import { aTask } from '../support/task.js';

/** The agent that runs in guests, here in a process of this host, against the client that runs on the host. */
const never = new AbortController().signal;
/** In Linux guests samples go to /tmp itself. */
const name = `malkoha-contract-${process.pid}.txt`;
let client: AgentClient;
let port: number;
let dir: string;
let stop: () => Promise<void>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-contract-'));
  port = await freePort();
  const agent = spawn('python3', ['analyzer-guest/agent/agent.py', '127.0.0.1', String(port)], {
    stdio: 'ignore',
    env: { ...process.env, TMPDIR: dir },
  });
  const exited = once(agent, 'exit');
  stop = async () => {
    agent.kill('SIGKILL');
    await exited;
    await rm(dir, { recursive: true, force: true });
    await rm(join('/tmp', name), { force: true });
  };
  client = new AgentClient(dialTcp('127.0.0.1', port));
  using limit = deadline(10_000, never);
  await client.waitReady(limit.signal);
}, 15_000);
afterEach(() => stop());

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('every route answers as the client expects', async () => {
  expect(await client.info(never)).toMatchObject({
    features: expect.arrayContaining(['execpy', 'pinning', 'waitstatus']),
    analyzer: null,
  });
  expect(await client.status(never)).toEqual({ status: null, description: null });
  expect(await client.system(never)).toBe('Linux');
  expect((await client.environ(never))['TMPDIR']).toBe(dir);
  expect(await client.path(never)).toMatch(/agent\.py$/);
  expect(await client.logs(never)).toMatchObject({ stdout: expect.any(String) });
  await client.mkdir(join(dir, 'made'), never);
  expect(await client.mktemp(dir, never)).toContain(dir);
  const folder = await client.mkdtemp(dir, never);

  const content = Buffer.from(Array.from({ length: 70_000 }, (_, n) => n % 256));
  await client.store(join(folder, 'a "b" é.bin'), bytes(content), 'sample.bin', never);
  expect((await readFile(join(folder, 'a "b" é.bin'))).equals(content)).toBe(true);
  const back = await client.retrieve(join(folder, 'a "b" é.bin'), 100_000, never);
  expect(back.equals(content)).toBe(true);
  await expect(client.retrieve(join(folder, 'a "b" é.bin'), 69_999, never)).rejects.toMatchObject({
    code: 'PROTOCOL_VIOLATION',
  });
  await client.remove(folder, never);
  await expect(client.retrieve(join(folder, 'a "b" é.bin'), 1, never)).rejects.toMatchObject({
    code: 'AGENT_REFUSED',
  });
  await expect(client.analyze({ config: 'x', clock: new Date(), sample: null }, never)).rejects.toMatchObject(
    {
      code: 'AGENT_REFUSED',
    },
  );
  await client.pin(never);
  await expect(client.pin(never)).rejects.toThrow('already been pinned');
  await client.kill(never);
});

test('a long poll ends with the news, at once', async () => {
  const waiting = client.waitStatus(30, null, never);
  const before = performance.now();
  const posting = await fetch(`http://127.0.0.1:${port}/status`, {
    method: 'POST',
    body: new URLSearchParams({ status: 'running' }),
  });
  await posting.text();
  expect(await waiting).toMatchObject({ status: 'running' });
  expect(performance.now() - before).toBeLessThan(1_000);
  expect(await client.waitStatus(0.05, 'running', never)).toMatchObject({ status: 'running' });
});

test("Cuckoo's sequence runs an analyzer to its end", async () => {
  const folder = join(dir, 'bundle');
  await mkdir(folder);
  await writeFile(
    join(folder, 'analyzer.py'),
    `import configparser, urllib.request, urllib.parse
conf = configparser.ConfigParser(interpolation=None)
conf.read("analysis.conf")
with open(${JSON.stringify(join(dir, 'proof'))}, "w") as proof:
    proof.write(conf["analysis"]["file_name"] + " " + open("/tmp/" + conf["analysis"]["file_name"]).read())
data = urllib.parse.urlencode({"status": "complete", "description": "True"}).encode()
urllib.request.urlopen("http://127.0.0.1:${port}/status", data).read()
`,
  );
  await writeFile(join(dir, 'sample'), 'the sample');
  const phases: string[] = [];
  const end = await runAnalysis(
    {
      agent: client,
      task: aTask({ target: name }),
      sample: { path: join(dir, 'sample'), name },
      resultServer: { ip: '127.0.0.1', port: 2042 },
      bundle: { folder, platform: 'linux' },
      timeoutSeconds: 10,
      criticalSeconds: 10,
      onPhase: (phase) => phases.push(phase),
    },
    never,
  );
  expect(end).toEqual({ status: 'completed' });
  expect(phases).toEqual(['agent', 'push', 'run']);
  expect(await readFile(join(dir, 'proof'), 'utf8')).toBe(`${name} the sample`);
}, 20_000);
