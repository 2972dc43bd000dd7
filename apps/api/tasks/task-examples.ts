/** What this API says of a file with the two lines `#!/bin/sh` and `id`. */
export const SAMPLE_EXAMPLE = {
  id: 1,
  file_size: 13,
  file_type: 'POSIX shell script, ASCII text executable',
  md5: '4cf17a1669e140f92e644af099700dd8',
  crc32: 'A37D81E4',
  sha1: '6e7b317ca65c9c20c26e5e86b6e1bb445493adb2',
  sha256: 'd7ac283f0efbed24578bd65e51cadae8102f93a9b6b367fbffdb3dbf154af941',
  sha512:
    '2bbff756ce998a01788cf76a00ecf42b6adb52c6b146de76e026197f58c5ac5155be097ad289ec3d7bd0481d5e6aa5f981d8efeb9086ad309f75a16ca54bf809',
  ssdeep: '3:TKH4vMZ:hC',
};

export const GUEST_EXAMPLE = {
  id: 1,
  name: 'linux1',
  label: 'linux1',
  manager: 'qemu',
  status: 'stopped',
  started_on: '2026-03-02 09:14:05',
  shutdown_on: '2026-03-02 09:15:11',
  task_id: 1,
};

export const TASK_EXAMPLE = {
  id: 1,
  category: 'file',
  target: `/home/lab/.malkoha/storage/targets/${SAMPLE_EXAMPLE.sha256}/invoice.sh`,
  package: null,
  timeout: 60,
  priority: 1,
  custom: null,
  owner: null,
  machine: null,
  platform: 'linux',
  options: null,
  tags: [],
  memory: false,
  enforce_timeout: false,
  clock: '2026-03-02 09:14:03',
  added_on: '2026-03-02 09:14:03',
  started_on: '2026-03-02 09:14:05',
  completed_on: '2026-03-02 09:15:12',
  status: 'reported',
  sample_id: SAMPLE_EXAMPLE.id,
  submit_id: null,
  processing: null,
  route: 'inetsim',
  duration: 67,
  guest: GUEST_EXAMPLE,
  errors: [],
  sample: SAMPLE_EXAMPLE,
};
