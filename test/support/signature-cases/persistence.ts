import { call } from '../evidence.js';
import { does, runs, calls, type Cases } from './cases.js';

export const persistence: Readonly<Record<string, Cases>> = {
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
};
