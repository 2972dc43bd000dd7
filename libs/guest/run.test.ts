import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { emulateAgent, type Answer, type AgentEmulator } from '../../test/support/agent-emulator.js';
import { aTask } from '../../test/support/task.js';
import { AgentClient } from './agent.js';
import type { AnalyzerBundle } from './cuckoo-sequence.js';
import { runAnalysis, type GuestJob } from './run.js';
import { waitForEnd } from './wait-for-end.js';

const never = new AbortController().signal;
const OURS = ['execpy', 'pinning', 'logs', 'largefile', 'unicodepath', 'waitstatus', 'analyze'];
const CUCKOO = ['execpy', 'pinning', 'logs', 'largefile', 'unicodepath'];
const status = (text: string | null, description: string | null = null): Answer => ({
  json: { message: 'Analysis status', status: text, description },
});
const started: Answer = { json: { message: 'Analysis started', process_id: 7 } };

let dir: string;
let bundle: AnalyzerBundle;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-run-'));
  await writeFile(join(dir, 'sample'), 'MZ\0\xff');
  const folder = join(dir, 'windows');
  await mkdir(join(folder, 'lib/common'), { recursive: true });
  await writeFile(join(folder, 'analyzer.py'), 'print("analyzer")\n');
  await writeFile(join(folder, 'lib/common/é.py'), '');
  await symlink('/etc/passwd', join(folder, 'link'));
  bundle = { folder, platform: 'windows' };
});
afterAll(() => rm(dir, { recursive: true }));

function job(agent: AgentEmulator, changes: Partial<GuestJob> = {}): GuestJob {
  return {
    agent: new AgentClient(agent.dial, { statusMs: 300 }),
    task: aTask(),
    sample: { path: join(dir, 'sample'), name: 'a.exe' },
    resultServer: { ip: '192.168.56.1', port: 2042 },
    timeoutSeconds: 5,
    criticalSeconds: 5,
    onPhase: () => undefined,
    ...changes,
  };
}

describe('our agent', () => {
  test('gets everything in one call and is waited for in one more', async () => {
    await using agent = await emulateAgent({
      features: OURS,
      answers: { 'POST /analyze': () => started, 'POST /status/wait': () => status('complete') },
    });
    const phases: string[] = [];
    const end = await runAnalysis(job(agent, { known: true, onPhase: (name) => phases.push(name) }), never);
    expect(end).toEqual({ status: 'completed' });
    expect(agent.calls).toEqual(['POST /analyze', 'POST /status/wait']);
    expect(phases).toEqual(['agent', 'push', 'run']);
    const [analyze, wait] = agent.requests;
    expect(analyze?.fields['config']).toContain('file_name = a.exe\n');
    expect(Math.abs(Number(analyze?.fields['clock']) - Date.now() / 1000)).toBeLessThan(60);
    expect(analyze?.files['file']).toEqual({ fileName: 'a.exe', content: Buffer.from('MZ\0\xff') });
    expect(wait?.fields).toEqual({ timeout: '20.000', not: 'running' });
  });

  test('is given the clock that was asked for, and the host is told how far that is from its own', async () => {
    await using agent = await emulateAgent({
      answers: { 'POST /analyze': () => started, 'POST /status/wait': () => status('complete') },
    });
    const asked = new Date(2031, 2, 4, 5, 6, 7);
    let ahead = 0;
    const onClock = (ms: number) => (ahead = ms);
    await runAnalysis(job(agent, { known: true, task: aTask({ clock: asked }), onClock }), never);
    const fields = agent.requests[0]?.fields;
    expect(fields?.['clock']).toBe(`${Date.UTC(2031, 2, 4, 5, 6, 7) / 1000}.000`);
    expect(fields?.['config']).toContain('\nclock = 20310304T05:06:07\n');
    expect(Math.abs(Date.now() + ahead - Date.UTC(2031, 2, 4, 5, 6, 7))).toBeLessThan(60_000);
  });

  test('is asked what it can when it is not known', async () => {
    await using agent = await emulateAgent({
      features: OURS,
      answers: { 'POST /analyze': () => started, 'POST /status/wait': () => status('complete') },
    });
    await runAnalysis(job(agent), never);
    expect(agent.calls).toEqual(['GET /', 'POST /analyze', 'POST /status/wait']);
  });

  test('of a lost answer is asked whether it began, and begins once', async () => {
    const waits = [status('complete')];
    const lost = (began: boolean) =>
      emulateAgent({
        answers: {
          'POST /analyze': (_request, emulator) => {
            if (emulator.calls.length > 1) return started;
            emulator.status.status = began ? 'running' : null;
            return 'empty';
          },
          'POST /status/wait': () => waits[0] ?? 'empty',
        },
      });
    await using began = await lost(true);
    await runAnalysis(job(began, { known: true }), never);
    expect(began.calls).toEqual(['POST /analyze', 'GET /status', 'POST /status/wait']);
    await using did_not = await lost(false);
    await runAnalysis(job(did_not, { known: true }), never);
    expect(did_not.calls).toEqual(['POST /analyze', 'GET /status', 'POST /analyze', 'POST /status/wait']);
  });

  test('of a URL gets no file', async () => {
    await using agent = await emulateAgent({
      answers: { 'POST /analyze': () => started, 'POST /status/wait': () => status('complete') },
    });
    const task = aTask({ category: 'url', target: 'http://x.example/', sample: null });
    await runAnalysis(job(agent, { known: true, sample: null, task }), never);
    expect(agent.requests[0]?.files).toEqual({});
    expect(agent.requests[0]?.fields['config']).toContain('target = http://x.example/\n');
  });

  test('gets a safe name for a sample with an odd one', async () => {
    await using agent = await emulateAgent({
      answers: { 'POST /analyze': () => started, 'POST /status/wait': () => status('complete') },
    });
    const sample = { path: join(dir, 'sample'), name: '..\\..\\x"\nip = 6.6.6.6' };
    await runAnalysis(job(agent, { known: true, sample }), never);
    const name = '.._.._x__ip = 6.6.6.6';
    expect(agent.requests[0]?.files['file']?.fileName).toBe(name);
    expect(agent.requests[0]?.fields['config']).toContain(`\nfile_name = ${name}\n`);
  });
});

test('an analyzer brought along is used, whatever the agent has: the result server expects its uploads', async () => {
  const answers = { 'POST /status/wait': () => status('complete') };
  await using agent = await emulateAgent({ features: OURS, environ: {}, answers });
  await runAnalysis(job(agent, { bundle: { ...bundle, platform: 'linux' } }), never);
  expect(agent.calls).toContain('POST /extract');
  expect(agent.calls).not.toContain('POST /analyze');
});

test('an agent without an analyzer, and none to bring along: the operator learns what to do', async () => {
  await using agent = await emulateAgent({ features: CUCKOO });
  await expect(runAnalysis(job(agent, { bring: 'put one there' }), never)).rejects.toMatchObject({
    code: 'AGENT_REFUSED',
    message: expect.stringMatching(/there is none to bring along: put one there$/),
  });
});

describe('a Cuckoo agent', () => {
  const environ = { SystemDrive: 'C:', TEMP: 'C:\\Users\\u\\AppData\\Local\\Temp', PATH: 'C:\\Windows' };

  test("is led through Cuckoo's sequence", async () => {
    await using agent = await emulateAgent({ features: CUCKOO, environ });
    agent.status = { status: 'complete', description: 'True' };
    expect(await runAnalysis(job(agent, { bundle }), never)).toEqual({ status: 'completed' });
    expect(agent.calls).toEqual([
      'GET /',
      'GET /pinning',
      'GET /environ',
      'POST /mkdtemp',
      'POST /extract',
      'POST /store',
      'POST /store',
      'POST /execpy',
      'GET /status',
    ]);
    const [mkdtemp, extract, conf, sample, execpy] = agent.requests.slice(3);
    expect(mkdtemp?.fields).toEqual({ dirpath: 'C:/' });
    expect(extract?.fields).toEqual({ dirpath: 'C:/tmpq1' });
    expect(conf?.fields).toEqual({ filepath: 'C:/tmpq1/analysis.conf' });
    expect(conf?.files['file']?.content.toString()).toContain('[analysis]\n');
    expect(sample?.fields).toEqual({ filepath: 'C:\\Users\\u\\AppData\\Local\\Temp/a.exe' });
    expect(sample?.files['file']).toEqual({ fileName: 'sample.bin', content: Buffer.from('MZ\0\xff') });
    expect(execpy?.fields).toEqual({ filepath: 'C:/tmpq1/analyzer.py', async: 'yes', cwd: 'C:/tmpq1' });
  });

  test('gets the analyzer as a stored zip that Python reads, without links', async () => {
    await using agent = await emulateAgent({ features: CUCKOO, environ });
    agent.status.status = 'complete';
    await runAnalysis(job(agent, { bundle }), never);
    const zip = agent.requests.find(({ path }) => path === '/extract')?.files['zipfile'];
    expect(zip?.fileName).toBe('zipfile');
    const program =
      'import io,json,sys,zipfile; z=zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); z.testzip(); ' +
      'print(json.dumps([[i.filename,i.compress_type,z.read(i).decode()] for i in z.infolist()]))';
    const listed = execFileSync('python3', ['-c', program], { input: zip?.content, encoding: 'utf8' });
    expect(JSON.parse(listed)).toEqual([
      ['analyzer.py', 0, 'print("analyzer")\n'],
      ['lib/common/é.py', 0, ''],
    ]);
  });

  test('on Linux is not pinned, and works below / and /tmp', async () => {
    await using agent = await emulateAgent({ features: CUCKOO });
    agent.status.status = 'complete';
    await runAnalysis(job(agent, { bundle: { ...bundle, platform: 'linux' } }), never);
    expect(agent.calls).not.toContain('GET /pinning');
    expect(
      agent.requests.map(({ fields }) => fields['filepath'] ?? fields['dirpath']).filter(Boolean),
    ).toEqual(['/', '/tmpq1', '/tmpq1/analysis.conf', '/tmp/a.exe', '/tmpq1/analyzer.py']);
  });

  test('without execpy gets a command line', async () => {
    await using agent = await emulateAgent({ features: [], environ });
    agent.status.status = 'complete';
    await runAnalysis(job(agent, { bundle }), never);
    expect(agent.requests.at(-2)?.fields).toEqual({
      command: 'C:\\Python27\\pythonw.exe C:/tmpq1\\analyzer.py',
      cwd: 'C:/tmpq1',
      async: 'yes',
    });
  });

  test('option analpath names the folder, and no other', async () => {
    await using agent = await emulateAgent({ features: CUCKOO, environ });
    agent.status.status = 'complete';
    await runAnalysis(job(agent, { bundle, task: aTask({ options: 'analpath=bin' }) }), never);
    expect(agent.requests.find(({ path }) => path === '/mkdir')?.fields).toEqual({ dirpath: 'C:/bin' });
    const outside = runAnalysis(job(agent, { bundle, task: aTask({ options: 'analpath=../x' }) }), never);
    await expect(outside).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  test.each(['x', '', 'C:/a\nb', '/tmp/a"&calc"'])(
    'that names the folder %j is not believed',
    async (dirpath) => {
      await using agent = await emulateAgent({
        features: CUCKOO,
        answers: { 'POST /mkdtemp': () => ({ json: { message: '', dirpath } }) },
      });
      await expect(runAnalysis(job(agent, { bundle }), never)).rejects.toMatchObject({
        code: 'PROTOCOL_VIOLATION',
      });
    },
  );

  test('needs an analyzer from us', async () => {
    await using agent = await emulateAgent({ features: CUCKOO });
    await expect(runAnalysis(job(agent), never)).rejects.toMatchObject({
      code: 'AGENT_REFUSED',
      message: expect.stringContaining('no analyzer loaded'),
    });
  });

  test('of Cuckoo 1.x is refused by name', async () => {
    await using agent = await emulateAgent({
      answers: { 'GET /': () => Buffer.from("HTTP/1.0 501 Unsupported method ('GET')\r\n\r\n") },
    });
    await expect(runAnalysis(job(agent), never)).rejects.toMatchObject({
      code: 'AGENT_REFUSED',
      message: expect.stringContaining('Cuckoo 1.x'),
    });
  });

  test('that hangs while it unpacks is cancelled like any other', async () => {
    await using agent = await emulateAgent({
      features: CUCKOO,
      environ,
      answers: { 'POST /extract': () => 'hang' },
    });
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new Error('cancelled')), 150);
    await expect(runAnalysis(job(agent, { bundle }), cancel.signal)).rejects.toThrow('cancelled');
  });
});

describe('the end of a run', () => {
  const running = (wait: (n: number) => Answer) => {
    let n = 0;
    return emulateAgent({
      answers: { 'POST /analyze': () => started, 'POST /status/wait': () => wait((n += 1)) },
    });
  };

  test("is told by the host's clock when the guest never tells it", async () => {
    await using agent = await running(() => 'hang');
    const before = performance.now();
    const end = await runAnalysis(
      job(agent, { known: true, timeoutSeconds: 0.3, criticalSeconds: 0.2 }),
      never,
    );
    expect(end).toEqual({ status: 'timed_out' });
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  test('a status that is stuck costs one question a second, not a busy loop', async () => {
    await using agent = await running(() => status('running'));
    const end = await runAnalysis(
      job(agent, { known: true, timeoutSeconds: 2, criticalSeconds: 0.5 }),
      never,
    );
    expect(end).toEqual({ status: 'timed_out' });
    expect(agent.calls.length).toBeLessThanOrEqual(5);
  });

  test('an exception carries what the analyzer said, cut to a length', async () => {
    await using agent = await running(() => status('exception', 'x'.repeat(100_000)));
    const end = await runAnalysis(job(agent, { known: true }), never);
    expect(end).toEqual({ status: 'exception', description: 'x'.repeat(4096) });
  });

  test('CAPE says failed', async () => {
    await using agent = await running(() => status('failed', 'Exited with exit code 1'));
    const end = await runAnalysis(job(agent, { known: true }), never);
    expect(end).toEqual({ status: 'exception', description: 'Exited with exit code 1' });
  });

  test('a few missed answers are forgiven', async () => {
    await using agent = await running((n) => (n < 3 ? 'empty' : status('complete')));
    expect(await runAnalysis(job(agent, { known: true }), never)).toEqual({ status: 'completed' });
  });

  test('an agent that was killed is noticed long before the time-out', async () => {
    await using agent = await running(() => 'hang');
    const client = new AgentClient(agent.dial);
    const lost = waitForEnd(client, { seconds: 300, longPoll: true, pollMs: 20 }, never);
    setTimeout(() => agent.die(), 100);
    await expect(lost).rejects.toMatchObject({ code: 'GUEST_LOST' });
  });

  test('cancelling rejects with the reason and asks the guest nothing more', async () => {
    await using agent = await running(() => 'hang');
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new Error('cancelled')), 150);
    await expect(runAnalysis(job(agent, { known: true }), cancel.signal)).rejects.toThrow('cancelled');
    expect(agent.calls).toEqual(['POST /analyze', 'POST /status/wait']);
  });
});
