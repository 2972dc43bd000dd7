import { does, runs, each, type Cases } from './cases.js';

export const impact: Readonly<Record<string, Cases>> = {
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
};
