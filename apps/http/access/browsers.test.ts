import { expect, test } from '@jest/globals';
import { mustBeOurPage, mustCallUsByName } from './browsers.js';

const HOST = { host: '127.0.0.1:8090' };

test.each([
  {},
  { origin: 'http://127.0.0.1:8090' },
  { referer: 'http://127.0.0.1:8090/tasks/list' },
  { 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'none' },
  // A proxy that changes the Host: the browser knows better.
  { 'sec-fetch-site': 'same-origin', origin: 'https://sandbox.lab' },
])('a program, the address line and our own pages may: %j', (headers) => {
  expect(() => mustBeOurPage({ ...HOST, ...headers })).not.toThrow();
});

test.each([
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'cross-site', origin: 'http://127.0.0.1:8090' },
  { origin: 'http://evil.example' },
  { origin: 'http://127.0.0.1:3000' },
  { origin: 'null' },
  { origin: '' },
  { referer: 'http://evil.example/page' },
])('a page of another site may not: %j', (headers) => {
  expect(() => mustBeOurPage({ ...HOST, ...headers })).toThrow('pages of other sites');
});

test.each(['127.0.0.1:8090', '[::1]:8090', '10.1.2.3', 'localhost:8090', 'a.localhost', 'LAB.example:1'])(
  'a browser may call us %s',
  (host) => {
    expect(() => mustCallUsByName({ host, 'accept-language': 'en' }, 'Lab.Example')).not.toThrow();
  },
);

test.each([
  ['evil.example:8090', { 'accept-language': 'en' }],
  ['evil.example:8090', { 'accept-language': '' }],
  ['evil.example', { origin: 'http://evil.example' }],
  ['127.0.0.1.evil.example', { 'sec-fetch-site': 'same-origin' }],
  ['localhost.evil.example', { 'accept-language': 'en' }],
  ['a b', { 'accept-language': 'en' }],
  [undefined, { 'accept-language': 'en' }],
])('a browser may not call us %s (%j), a program may', (host, headers) => {
  const named = host === undefined ? {} : { host };
  expect(() => mustCallUsByName({ ...named, ...headers }, '127.0.0.1')).toThrow(
    'use localhost or an address',
  );
  expect(() => mustCallUsByName(named, '127.0.0.1')).not.toThrow();
  const node = { 'accept-language': '*', 'sec-fetch-mode': 'cors' };
  expect(() => mustCallUsByName({ ...named, ...node }, '127.0.0.1')).not.toThrow();
});
