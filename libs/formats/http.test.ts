import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { header, looksLikeHttp, readRequests, readResponses } from './http.js';
import { cpuTime } from '../../test/support/cpu-time.js';

const bytes = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1');

describe('HTTP/1', () => {
  test('requests one after the other on one connection', () => {
    const stream = bytes(
      'POST /a HTTP/1.1',
      'Host: x',
      'Content-Length: 3',
      '',
      'abcGET /b?c HTTP/1.0',
      'User-Agent:  U ',
      '',
      '',
    );
    const [first, second, ...others] = readRequests(stream);
    expect(first).toMatchObject({
      method: 'POST',
      uri: '/a',
      version: '1.1',
      offset: 0,
      body: Buffer.from('abc'),
    });
    expect(second).toMatchObject({ method: 'GET', uri: '/b?c', version: '1.0', offset: 51 });
    expect(header(second?.headers ?? [], 'user-agent')).toBe('U');
    expect(second?.head).toBe('GET /b?c HTTP/1.0\r\nUser-Agent:  U \r\n\r\n');
    expect(others).toEqual([]);
  });

  test('chunked bodies, with extensions and trailers', () => {
    const stream = bytes(
      'POST / HTTP/1.1',
      'Transfer-Encoding: chunked',
      '',
      '3;x=y',
      'abc',
      '2',
      'de',
      '0',
      'T: v',
      '',
      'GET / HTTP/1.1',
      '',
      '',
    );
    expect(readRequests(stream).map(({ method, body }) => [method, body.toString()])).toEqual([
      ['POST', 'abcde'],
      ['GET', ''],
    ]);
  });

  test('a request that is cut is shown as far as it goes', () => {
    expect(readRequests(bytes('GET /x HTTP/1.1', 'Host: h'))).toMatchObject([
      { uri: '/x', headers: [['Host', 'h']] },
    ]);
    expect(
      readRequests(bytes('POST /x HTTP/1.1', 'Content-Length: 900', '', 'abc'))[0]?.body.toString(),
    ).toBe('abc');
  });

  test('answers are matched to requests: interim ones, HEAD and empty ones', () => {
    const stream = bytes(
      'HTTP/1.1 100 Continue', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '', 'okHTTP/1.1 200 OK', 'Content-Length: 9000', '',
      'HTTP/1.1 304 Not Modified', 'Content-Length: 5', '', 'HTTP/1.0 404 Not Found', '', 'until the end',
    ); // prettier-ignore
    expect(readResponses(stream, ['POST', 'HEAD', 'GET', 'GET', 'GET']).map(({ status }) => status)).toEqual([
      200, 200, 304, 404,
    ]);
  });

  test('other protocols are not HTTP', () => {
    for (const text of [
      'EHLO x\r\n',
      'SSH-2.0-x\r\n',
      'GET /\r\n\r\n',
      '\x16\x03\x01',
      '',
      'get / HTTP/1.1\r\n\r\n',
    ]) {
      expect(looksLikeHttp(Buffer.from(text, 'latin1'))).toBe(false);
      expect(readRequests(Buffer.from(text, 'latin1'))).toEqual([]);
    }
  });

  test('any bytes are read without an error', () => {
    const piece = fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'Content-Length: ',
      'Transfer-Encoding: chunked\r\n',
      '\r\n',
      '5\r\n',
      ':',
      'HTTP/1.1 200 OK\r\n',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string())), (parts) => {
        const stream = Buffer.from(parts.join(''));
        readRequests(stream);
        readResponses(stream, ['GET', 'HEAD', 'GET']);
        looksLikeHttp(stream);
      }),
    );
  });

  test('hostile streams cost linear time', () => {
    const spent = cpuTime();
    for (const piece of [
      'A',
      '\r',
      '\n',
      ':',
      'GET / HTTP/1.1\r\n\r\n',
      '1\r\na\r\n',
      ' ',
      'GET / HTTP/1.1\r\nA: b\r\n',
    ]) {
      readRequests(Buffer.from(piece.repeat(1_000_000 / piece.length)));
      readRequests(
        Buffer.from(
          `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${piece.repeat(1_000_000 / piece.length)}`,
        ),
      );
    }
    expect(spent()).toBeLessThan(4000);
  });
});
