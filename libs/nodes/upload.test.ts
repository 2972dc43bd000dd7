import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { never, openHttp, sendJson, serve, serveTcp } from './server.fake.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodes-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function sample(size: number): Promise<string> {
  const path = join(folder, `sample-${size}`);
  await writeFile(path, Buffer.alloc(size, 'x'));
  return path;
}

describe('an upload', () => {
  test('is refused before it is over: the refusal is told', async () => {
    const path = await sample(8 * 1024 * 1024);
    await using server = await serve((_request, response) => {
      response.shouldKeepAlive = false;
      sendJson(response, { message: 'Authentication needed' }, 401);
    });
    using http = openHttp(server);
    for (let i = 0; i < 20; i++) {
      const call = http.upload({ path: 'x' }, { fields: {}, file: { path, name: 'a' } }, never);
      await expect(call).rejects.toMatchObject({ code: 'NODE_DENIED', unclear: false });
    }
  });

  test('that is said to have arrived before it was sent is none', async () => {
    const path = await sample(64 * 1024 * 1024);
    await using server = await serve((_request, response) => sendJson(response, { task_id: 1 }));
    using http = openHttp(server);
    const call = http.upload({ path: 'x' }, { fields: {}, file: { path, name: 'a' } }, never);
    await expect(call).rejects.toMatchObject({ code: 'NODE_ODD', unclear: true });
  });

  test('that the node stops to read is given up', async () => {
    const path = await sample(64 * 1024 * 1024);
    await using server = await serveTcp((socket) => void socket.pause());
    using http = openHttp(server, { answer: 200 });
    const call = http.upload({ path: 'x' }, { fields: {}, file: { path, name: 'a' } }, never);
    await expect(call).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: true });
  });

  test('of a file that is gone sends nothing', async () => {
    await using server = await serve((_request, response) => sendJson(response, {}));
    using http = openHttp(server);
    const call = http.upload(
      { path: 'x' },
      { fields: {}, file: { path: join(folder, 'gone'), name: 'a' } },
      never,
    );
    await expect(call).rejects.toMatchObject({ code: 'SAMPLE_MISSING' });
    expect(server.connections).toBe(0);
  });
});
