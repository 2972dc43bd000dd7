import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { build, malkoha, start, type Ended } from '../support/malkoha.js';
import { onTerminal } from '../support/terminal.js';

/** Each command is a process of its own, on a host that may be busy. */
jest.setTimeout(120_000);

/** Larger than what fits between two processes: it must be read, or left. */
const ARCHIVE = 'BZh9'.repeat(2_000_000);

/** What a test does not want to wait for, or cannot make happen here: answers as the API gives them. */
describe('the command line over recorded answers', () => {
  let server: Server;
  let asked: string[];
  let streams: string[];
  const run = (...args: string[]): Promise<Ended> => malkoha({ dir: '/nonexistent' }, ...args, ...where());
  const where = (): readonly string[] => {
    const address = server.address();
    return ['--host', '127.0.0.1', '--port', String(typeof address === 'object' ? address?.port : '')];
  };
  const ANSWERS = new Map<string, readonly [status: number, type: string, body: string]>([
    [
      'GET /tasks/explain/3',
      [
        200,
        'application/json',
        '{"task_id":3,"status":"pending","reason":"ahead_in_lane","message":"2 tasks are before it.","lane":"default","ahead":2,"position":3,"machines":{"matching":4,"free":0},"estimate":{"start_in_seconds":90}}',
      ],
    ],
    [
      'GET /tasks/explain/4',
      [
        200,
        'application/json',
        '{"task_id":4,"status":"running","reason":"running","message":"It runs on m1.","lane":null,"ahead":null,"position":null,"machines":{"matching":1,"free":0},"estimate":null}',
      ],
    ],
    ['POST /tasks/cancel/3', [200, 'application/json', '{"status":"OK"}']],
    ['POST /tasks/cancel/4', [409, 'application/json', '{"message":"The task has already ended"}']],
    ['GET /tasks/report/3/all', [200, 'application/x-tar; charset=UTF-8', ARCHIVE]],
    ['GET /cuckoo/status', [200, 'text/html', '<h1>It works!</h1>']],
  ]);

  beforeAll(async () => {
    await build();
    server = createServer((request, response) => {
      const what = `${request.method ?? ''} ${request.url ?? ''}`;
      asked.push(`${what} ${String(request.headers['last-event-id'] ?? '')}`.trim());
      if (what === 'GET /tasks/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        // A stream that ends: the API is restarting. Without another one it is gone.
        const stream = streams.shift();
        if (stream === undefined) response.destroy();
        else response.end(stream);
        return;
      }
      const [status, type, body] = ANSWERS.get(what) ?? [404, 'application/json', '{"message":"Not found"}'];
      response.writeHead(status, { 'content-type': type }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => {
    asked = [];
    streams = [];
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  test('explain tells why, where in the line, and when', async () => {
    expect((await run('task', 'explain', '3')).stdout).toBe(
      [
        'task 3  pending: 2 tasks are before it.',
        '  reason     ahead_in_lane',
        '  lane       default',
        '  position   3 (2 ahead)',
        '  machines   4 match, 0 free',
        '  starts in  about 1 min 30 s',
        '',
      ].join('\n'),
    );
    expect((await run('task', 'explain', '4')).stdout).toBe(
      'task 4  running: It runs on m1.\n  reason    running\n  machines  1 match, 0 free\n',
    );
    expect(JSON.parse((await run('task', 'explain', '3', '--json')).stdout)).toMatchObject({
      reason: 'ahead_in_lane',
      estimate: { start_in_seconds: 90 },
    });
  });

  test('cancel is a POST; that it came too late is told as it is', async () => {
    expect(await run('task', 'cancel', '3')).toEqual({
      code: 0,
      stdout: 'task 3 is cancelled\n',
      stderr: '',
    });
    expect(await run('task', 'cancel', '4', '--json')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'malkoha: The task has already ended (409 from /tasks/cancel/4)\n',
    });
  });

  test('an archive goes into a pipe or a file, never to a terminal', async () => {
    const args = ['task', 'report', '3', '--format', 'all', ...where()];
    const { code, screen } = await onTerminal(args);
    expect(code).toBe(2);
    expect(screen).toContain('-o FILE');
    expect(screen).not.toContain('BZh9');
    expect(await run(...args.slice(0, 5))).toEqual({ code: 0, stdout: ARCHIVE, stderr: '' });
  });

  test('watching all tasks goes on after the last event when the stream breaks', async () => {
    streams = [
      'retry: 3000\nid: 5-0\n\n',
      'id: 6-0\nevent: status\ndata: {"kind":"status","task":7,"status":"running","at":"2026-01-01T00:00:00Z"}\n\n',
      'event: missed\ndata: {"kind":"missed","after":"6-0"}\n\nid: 8-0\ndata: {"kind":"phase","task":7,"phase":"start","ms":62.1,"at":"x"}\n\n',
    ];
    const watching = start({ dir: '/nonexistent' }, 'task', 'watch', '--json', ...where());
    let stdout = '';
    await new Promise<void>((resolve) => {
      watching.process.stdout?.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        if (stdout.split('\n').length > 3) resolve();
      });
    });
    watching.process.kill('SIGINT');
    expect((await watching.ended).code).toBe(130);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([{ task: 7, status: 'running' }, { kind: 'missed' }, { task: 7, phase: 'start' }]);
    expect(asked.slice(0, 3)).toEqual([
      'GET /tasks/events',
      'GET /tasks/events 5-0',
      'GET /tasks/events 6-0',
    ]);
  });

  test('what is no REST API of Cuckoo is told to be none', async () => {
    const { code, stderr } = await run('status');
    expect(code).toBe(1);
    expect(stderr).toContain('does not speak this REST API');
  });
});
