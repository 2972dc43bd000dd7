import { dns, flow, http } from '../evidence.js';
import { runs, type Cases } from './cases.js';

export const network: Readonly<Record<string, Cases>> = {
  tool_user_agent: {
    hits: [{ network: { http: [http('http://a.example/x', { 'user-agent': 'curl/8.5' })] } }],
    misses: [
      {
        network: {
          http: [
            http('http://a.example/x', { 'user-agent': 'Mozilla/5.0 curly' }),
            http('http://b.example/'),
          ],
        },
      },
    ],
  },
  http_to_address: {
    hits: [{ network: { http: [http('http://203.0.113.5:8080/x')] } }],
    misses: [{ network: { http: [http('http://a.example/203.0.113.5'), http('http://127.0.0.1/x')] } }],
  },
  mining_pool: {
    hits: [
      { network: { dns: [dns('xmr.pool.minexmr.com'), dns('pool.supportxmr.com')] } },
      runs('./x -o stratum+tcp://a.example:3333 -u wallet'),
    ],
    misses: [
      { network: { dns: [dns('minexmr.example.org.evil'), dns('notsupportxmr.com')] } },
      runs('ls stratum'),
    ],
  },
  names_mining_pool: {
    hits: [{ strings: ['-o stratum+tcp://pool.example:3333'] }],
    misses: [{ strings: ['stratum of rock', 'mining'] }],
  },
  irc_traffic: {
    hits: [{ network: { irc: [{ command: 'JOIN', params: '#bots', type: 'client' }] } }],
    misses: [{ network: { irc: [{ command: 'PING', params: 'x', type: 'server' }] } }],
  },
  sends_mail: {
    hits: [{ network: { smtp: [{ dst: '203.0.113.9', raw: 'EHLO x\r\n' }] } }],
    misses: [{ network: { smtp: [{ dst: '203.0.113.9', raw: 'QUIT\r\n' }] } }],
  },
  anonymising_network: {
    hits: [{ network: { dns: [dns('abc.onion')] } }, { network: { tcp: [flow('198.51.100.1', 9050)] } }],
    misses: [{ network: { dns: [dns('onions.example')], tcp: [flow('198.51.100.1', 19050)] } }],
  },
  public_web_service: {
    hits: [{ network: { dns: [dns('api.telegram.org')] } }],
    misses: [{ network: { dns: [dns('pastebin.com.example.org'), dns('mypastebin.com')] } }],
  },
};
