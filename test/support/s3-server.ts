import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';

const KEY = 'S3RVER';
export const BUCKET = 'lab';

export interface TestS3 extends AsyncDisposable {
  /** http://127.0.0.1:<port> */
  readonly url: string;
  /** `<method> <path>` of every request, in order. */
  readonly asked: string[];
  /** The file that holds an object. */
  fileOf(key: string): string;
  /** Requests that this says yes to are answered with a refusal, or with half a body. */
  refuse(when: (asked: string) => boolean | 'break off'): void;
  /** Text of [artifacts]. */
  conf(more?: string): string;
}

/** An S3 server of our own with one bucket, which takes requests only with a right signature. */
export async function startS3(): Promise<TestS3> {
  const directory = await mkdtemp(join(tmpdir(), 's3-'));
  const configureBuckets = [{ name: BUCKET }];
  const s3 = new S3rver({ directory, silent: true, vhostBuckets: false, configureBuckets });
  await s3.configureBuckets();
  const answer = s3.callback();
  const asked: string[] = [];
  let refused = (_asked: string): boolean | 'break off' => false;
  const server = createServer((request, response) => {
    const line = `${request.method} ${decodeURIComponent(request.url ?? '').replace(/\?.*/, '')}`;
    asked.push(line);
    const wrong = isSigned(request) ? refused(line) : 'unsigned';
    if (wrong === false) {
      answer(request, response);
      return;
    }
    request.resume();
    if (wrong === 'break off') {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('h', () => response.destroy());
      return;
    }
    response.writeHead(wrong === true ? 503 : 403, { 'content-type': 'application/xml' });
    response.end(`<Error><Code>${wrong === true ? 'SlowDown' : 'SignatureDoesNotMatch'}</Code></Error>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    asked,
    fileOf: (key) => join(directory, BUCKET, `${key}._S3rver_object`),
    refuse: (when) => {
      refused = when;
    },
    conf: (more = '') =>
      `[artifacts]\nlocation = s3://${BUCKET}/some/where\nendpoint = ${url}\naccess_key = ${KEY}\nsecret_key = ${KEY}\n${more}\n`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      s3.logger.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * s3rver knows the keys and does not compute signatures of version 4.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
function isSigned({ method, url = '', headers }: IncomingMessage): boolean {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/((\d{8})\/[^/]+\/s3\/aws4_request), SignedHeaders=([^,]+), Signature=(\w+)$/;
  const [, key, scope = '', day = '', signed = '', signature] = form.exec(headers.authorization ?? '') ?? [];
  if (key !== KEY) return false;
  const [path = '', query = ''] = url.split('?');
  const pairs = query
    .split('&')
    .filter(Boolean)
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`));
  const request = [
    method,
    path,
    pairs.toSorted().join('&'),
    ...signed.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signed,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const hash = createHash('sha256').update(request).digest('hex');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash].join('\n');
  const [, region = '', service = '', end = ''] = scope.split('/');
  const secret = [day, region, service, end].reduce<Buffer>(
    (by, part) => hmac(by, part),
    Buffer.from(`AWS4${KEY}`),
  );
  return hmac(secret, text).toString('hex') === signature;
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
