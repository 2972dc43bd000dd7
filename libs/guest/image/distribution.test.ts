import { expect, test } from '@jest/globals';

import { distribution } from './distribution.js';

const DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
const UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=jammy\n';

test('deb822 sources: the distribution’s own, nobody else’s', () => {
  const own = `Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;
  const docker =
    'Types: deb\nURIs: https://download.docker.com/linux/debian/x\nSuites: bookworm\nComponents: stable\n';
  expect(distribution(DEBIAN, [own, docker])).toEqual({
    suite: 'bookworm',
    kernel: 'linux-image-cloud-amd64',
    sources: [
      'deb http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian bookworm-updates main',
      'deb http://mirror.example/debian-security bookworm-security main',
    ],
  });
});

test('one-line sources, with options and comments', () => {
  const list = `# deb http://old.example/ubuntu jammy main
deb [arch=amd64 signed-by=/x.gpg] http://de.archive.ubuntu.com/ubuntu/ jammy main restricted
deb-src http://de.archive.ubuntu.com/ubuntu jammy main
deb http://security.ubuntu.com/ubuntu jammy-security main
deb https://apt.releases.hashicorp.com jammy main
deb [trusted=yes] file:/srv/ubuntu jammy main
`;
  expect(distribution(UBUNTU, [list])?.sources).toEqual([
    'deb http://de.archive.ubuntu.com/ubuntu/ jammy main universe',
    'deb http://security.ubuntu.com/ubuntu jammy-security main universe',
  ]);
});

test('without a usable mirror, the public ones', () => {
  expect(
    distribution(DEBIAN, ['Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: bookworm\n'])
      ?.sources,
  ).toEqual([
    'deb http://deb.debian.org/debian bookworm main',
    'deb http://deb.debian.org/debian bookworm-updates main',
    'deb http://deb.debian.org/debian-security bookworm-security main',
  ]);
});

test('neither Debian nor Ubuntu', () => {
  expect(distribution('ID=fedora\nVERSION_CODENAME=""\n', [])).toBeNull();
});
