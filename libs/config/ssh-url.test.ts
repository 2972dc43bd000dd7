import { describe, expect, test } from '@jest/globals';
import { parseSshUrl } from './ssh-url.js';

describe('ssh://', () => {
  test.each([
    ['ssh://cuckoo@lab2', { user: 'cuckoo', host: 'lab2', port: 22 }],
    ['ssh://cuckoo@192.0.2.7:2222/', { user: 'cuckoo', host: '192.0.2.7', port: 2222 }],
    ['ssh://lab2', { user: null, host: 'lab2', port: 22 }],
    ['ssh://cuckoo@[2001:db8::1]:22', { user: 'cuckoo', host: '2001:db8::1', port: 22 }],
  ])('%s', (text, place) => {
    expect(parseSshUrl(text)).toEqual(place);
  });

  test.each([
    ...['lab2', 'ssh://a:secret@lab2', 'ssh://a@lab2:0', 'ssh://a@lab2:65536', 'ssh://a@lab2/x'],
    ...['ssh://-oProxyCommand=x@lab2', 'ssh://a@-x', 'http://a@lab2', 'ssh://a@lab2 b', ''],
  ])('%j is none', (text) => {
    expect(parseSshUrl(text)).toBeNull();
  });
});
