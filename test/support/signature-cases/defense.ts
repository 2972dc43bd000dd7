import { does, runs, type Cases } from './cases.js';

export const defense: Readonly<Record<string, Cases>> = {
  opens_firewall: {
    hits: [
      runs('iptables -F'),
      runs("sh -c 'iptables -F; ls'"),
      runs('iptables -t nat -X'),
      runs('ufw disable'),
      runs('nft flush ruleset'),
    ],
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
};
