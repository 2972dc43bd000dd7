import type { LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { reason } from '#domain/errors.js';
import { retryAfter } from './answer.js';
import type { NodeHttp } from './http.js';
import { bodyOf, never, openHttp, sendJson, serve, serveTcp } from './server.fake.js';

const get = (http: NodeHttp, path = 'x') => http.json({ path }, never);
const post = (http: NodeHttp) => http.json({ path: 'x', form: { a: 'b' } }, never);

describe('what a call says', () => {
  test('stands below the base URL, with the token in the words of the dialect', async () => {
    const seen: unknown[] = [];
    await using server = await serve(({ url, headers }, response) => {
      seen.push([url, headers.authorization, headers['accept-encoding']]);
      sendJson(response, {});
    });
    const address = { ...server.address, url: `${server.address.url}apiv2/` };
    using bearer = openHttp({ address }, {}, { token: 'T' });
    using token = openHttp({ address }, {}, { token: 'T', scheme: 'Token' });
    using none = openHttp({ address });
    for (const http of [bearer, token, none]) await get(http, 'cuckoo/status');
    expect(seen).toEqual([
      ['/apiv2/cuckoo/status', 'Bearer T', 'identity'],
      ['/apiv2/cuckoo/status', 'Token T', 'identity'],
      ['/apiv2/cuckoo/status', undefined, 'identity'],
    ]);
  });

  test('a token that no header can carry is refused without being shown', async () => {
    await using server = await serve((_request, response) => sendJson(response, {}));
    using http = openHttp(server, {}, { token: 'geheim\r\nX: y' });
    const error = await get(http).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'NODE_DENIED', unclear: false });
    expect(String(error)).not.toContain('geheim');
    expect(server.asked).toEqual([]);
  });

  test('a form leaves out what is null, and takes any text', async () => {
    let body = '';
    await using server = await serve((request, response) => {
      void bodyOf(request).then((bytes) => {
        body = bytes.toString();
        sendJson(response, {});
      });
    });
    using http = openHttp(server);
    await http.json({ path: 'x', form: { a: 'é&=\n', b: null, c: '' } }, never);
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({ a: 'é&=\n', c: '' });
  });
});

describe('a connection', () => {
  test('is kept for the next GET, and not for what should not be done twice', async () => {
    await using server = await serve((_request, response) => sendJson(response, {}));
    using http = openHttp(server);
    for (let i = 0; i < 5; i++) await get(http);
    expect(server.connections).toBe(1);
    await post(http);
    expect(server.connections).toBe(2);
  });

  test('that the node closed in the meantime costs a GET nothing', async () => {
    let answers = 0;
    await using server = await serveTcp((socket) => {
      socket.once('data', () => {
        answers += 1;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
        // The next request on it is read, and the connection cut instead of an answer.
        socket.once('data', () => socket.destroy());
      });
    });
    using http = openHttp(server);
    await get(http);
    await get(http);
    expect(answers).toBe(2);
  });

  test('is closed at the end, and so is one that was in use', async () => {
    let finish = () => {};
    await using server = await serve((_request, response) => {
      finish = () => sendJson(response, {});
      setTimeout(finish, 50);
    });
    const http = openHttp(server);
    const call = get(http);
    http.close();
    await call;
    // What stayed open would be found by the suite's look for handles.
  });
});

describe('no answer', () => {
  test('from a port nobody listens at: it certainly did not arrive', async () => {
    const server = await serve(() => {});
    await server[Symbol.asyncDispose]();
    using http = openHttp(server);
    await expect(post(http)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: false });
  });

  test('for a name that is not known: neither did that', async () => {
    const lookup: LookupFunction = (_host, _options, callback) =>
      callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);
    using http = openHttp({ address: { name: 'n1', url: 'http://node-1/', token: null } }, {}, { lookup });
    await expect(post(http)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: false });
  });

  test('because the connection does not come to stand', async () => {
    // A lookup that never ends is as slow as a host that drops packets.
    using http = openHttp(
      { address: { name: 'n1', url: 'http://node-1/', token: null } },
      { connect: 50 },
      { lookup: () => {} },
    );
    await expect(post(http)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: false });
  });

  test('in time: it may have been done', async () => {
    await using server = await serve(() => {});
    using http = openHttp(server, { answer: 50 });
    await expect(post(http)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: true });
  });

  test('that ends: drip by drip is too slow as well', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(' '), 5);
      response.on('close', () => clearInterval(drip));
    });
    using http = openHttp(server, { answer: 200 });
    const error: unknown = await get(http).catch((came: unknown) => came);
    expect(error).toMatchObject({ code: 'NODE_UNREACHABLE' });
    expect(reason(error)).toMatch(/is answered too slowly: .*it was not done in 0.2 s$/);
  });

  test('but a cut connection: it may have been done', async () => {
    await using server = await serveTcp((socket) => socket.once('data', () => socket.destroy()));
    using http = openHttp(server);
    await expect(post(http)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: true });
  });

  test('but a part of one', async () => {
    await using server = await serveTcp((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"task_id": 1')),
    );
    using http = openHttp(server);
    await expect(post(http)).rejects.toMatchObject({
      code: 'NODE_UNREACHABLE',
      unclear: true,
      message: expect.stringContaining('answered in part'),
    });
  });

  test('but another protocol', async () => {
    await using server = await serveTcp((socket) =>
      socket.once('data', () =>
        socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
      ),
    );
    using http = openHttp(server);
    await expect(post(http)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', unclear: true });
  });

  test('because the caller gives up: its own reason comes back', async () => {
    await using server = await serve(() => {});
    using http = openHttp(server);
    const gone = new AbortController();
    const call = http.json({ path: 'x' }, gone.signal);
    const reason = new Error('shutdown');
    setTimeout(() => gone.abort(reason), 20);
    await expect(call).rejects.toBe(reason);
    await expect(http.json({ path: 'x' }, gone.signal)).rejects.toBe(reason);
  });
});

describe('an odd answer', () => {
  test.each(['SSH-2.0-OpenSSH_9.2\r\n', '\u0015\u0003\u0001\u0000\u0002\u0002F'])(
    'in no HTTP: %j',
    async (text) => {
      await using server = await serveTcp((socket) => socket.once('data', () => socket.end(text)));
      using http = openHttp(server);
      await expect(post(http)).rejects.toMatchObject({ code: 'NODE_ODD', unclear: true });
    },
  );

  test.each([
    [301, false],
    [302, true],
    [303, true],
    [307, false],
    [308, false],
  ])('is the redirect %d, which is named and not followed', async (status, unclear) => {
    await using server = await serve((_request, response) =>
      response.writeHead(status, { location: 'http://169.254.169.254/' }).end(),
    );
    using http = openHttp(server);
    await expect(post(http)).rejects.toMatchObject({
      code: 'NODE_ODD',
      unclear,
      message: expect.stringContaining('"http://169.254.169.254/"'),
    });
    expect(server.asked).toHaveLength(1);
  });

  test.each(['', 'hello', '{"a":', '<!DOCTYPE html><html><title>Welcome to <b>nginx</b></title>'])(
    'is 200 with %j',
    async (text) => {
      await using server = await serve((_request, response) => response.end(text));
      using http = openHttp(server);
      await expect(post(http)).rejects.toMatchObject({ code: 'NODE_ODD', unclear: true });
    },
  );

  test('is told as HTML when it is that, without its tags', async () => {
    await using server = await serve((_request, response) =>
      response.end('<html><style>a</style><h1>It works!</h1></html>'),
    );
    using http = openHttp(server);
    await expect(get(http)).rejects.toThrow('HTML ("It works!")');
  });

  test('is one without end', async () => {
    await using server = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('['.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    });
    using http = openHttp(server);
    await expect(get(http)).rejects.toMatchObject({
      code: 'NODE_ODD',
      message: expect.stringContaining('262144 bytes'),
    });
    await expect(http.json({ path: 'x', limit: 1000 }, never)).rejects.toThrow('more than 1000 bytes');
  });
});

describe('a refusal', () => {
  test.each([
    [400, { message: 'no' }, 'NODE_REFUSED', false],
    [401, { message: 'no' }, 'NODE_DENIED', false],
    [403, { detail: 'no' }, 'NODE_DENIED', false],
    [404, { message: 'no' }, 'NODE_ODD', false],
    [405, { message: 'no' }, 'NODE_ODD', false],
    [408, { message: 'no' }, 'NODE_UNREACHABLE', false],
    [413, { message: 'no' }, 'NODE_REFUSED', false],
    [422, { message: 'no' }, 'NODE_REFUSED', false],
    [429, { message: 'no' }, 'NODE_BUSY', false],
    [500, { message: 'no' }, 'NODE_UNREACHABLE', true],
    [502, { error_value: 'no' }, 'NODE_UNREACHABLE', true],
    [503, { message: 'no' }, 'NODE_BUSY', true],
    [507, { message: 'no' }, 'NODE_BUSY', true],
  ])('%d %j is %s', async (status, body, code, unclear) => {
    await using server = await serve((_request, response) => sendJson(response, body, status));
    using http = openHttp(server);
    await expect(post(http)).rejects.toMatchObject({
      code,
      unclear,
      message: expect.stringContaining('"no"'),
    });
  });

  test('in HTML is none of such an API, but for one of a server before it', async () => {
    await using server = await serve((request, response) =>
      response.writeHead(Number(request.url?.slice(1))).end('<html>no</html>'),
    );
    using http = openHttp(server);
    await expect(get(http, '400')).rejects.toMatchObject({ code: 'NODE_ODD' });
    await expect(get(http, '413')).rejects.toMatchObject({ code: 'NODE_REFUSED' });
  });

  test('that was expected is an answer', async () => {
    await using server = await serve((_request, response) =>
      sendJson(response, { message: 'Task not found' }, 404),
    );
    using http = openHttp(server);
    const answer = await http.json({ path: 'x', accept: [404] }, never);
    expect(answer).toMatchObject({ status: 404, body: { message: 'Task not found' } });
    expect(http.refusal({ path: 'x' }, answer)).toMatchObject({ code: 'NODE_ODD' });
  });

  test('may say when to ask again', async () => {
    await using server = await serve((_request, response) =>
      response.writeHead(429, { 'retry-after': '7' }).end(),
    );
    using http = openHttp(server);
    await expect(get(http)).rejects.toMatchObject({ code: 'NODE_BUSY', retryAfterMs: 7000 });
    expect(retryAfter('999999999')).toBe(3_600_000);
    expect(retryAfter(new Date(Date.now() - 5000).toUTCString())).toBe(0);
    expect(retryAfter('soon')).toBeNull();
  });

  test('says only what can be shown, and no more of it than that', async () => {
    await using server = await serve((_request, response) =>
      sendJson(response, { message: '\u001b[31m'.repeat(10_000) }, 500),
    );
    using http = openHttp(server);
    const error = (await get(http).catch((caught: unknown) => caught)) as Error;
    expect(error.message).not.toContain('\u001b');
    expect(error.message.length).toBeLessThan(1500);
  });
});

describe('a link-local address', () => {
  test.each([
    'http://169.254.169.254/',
    'http://[fe80::1]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[fd00:ec2::254]/',
  ])('as in %s is not asked', async (url) => {
    using http = openHttp({ address: { name: 'n1', url, token: null } });
    await expect(get(http)).rejects.toMatchObject({ code: 'NODE_ADDRESS', unclear: false });
  });

  test('behind a name is not asked, but when that is allowed', async () => {
    await using server = await serve((_request, response) => sendJson(response, { ok: true }));
    const lookup =
      (address: string): LookupFunction =>
      (_host, options, callback) =>
        options.all === true ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4);
    const address = { name: 'n1', url: `http://node-1:${server.port}/`, token: null };
    using refused = openHttp({ address }, {}, { lookup: lookup('169.254.169.254') });
    await expect(get(refused)).rejects.toMatchObject({ code: 'NODE_ADDRESS', unclear: false });
    using fine = openHttp({ address }, {}, { lookup: lookup('127.0.0.1') });
    expect(await get(fine)).toMatchObject({ body: { ok: true } });
    using allowed = openHttp({ address }, { linkLocal: true }, { lookup: lookup('127.0.0.1') });
    expect(await get(allowed)).toMatchObject({ body: { ok: true } });
  });
});
