import { does, type Cases } from './cases.js';

export const credentials: Readonly<Record<string, Cases>> = {
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
};
