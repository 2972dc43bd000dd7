import { call, fileReport } from '../evidence.js';
import { does, runs, calls, type Cases } from './cases.js';

export const stealth: Readonly<Record<string, Cases>> = {
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
      runs("'[kworker/0:1]' daemon-x"),
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
};
