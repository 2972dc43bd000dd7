import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { wallClock } from './guest-clock.js';

/** The zone of a process is fixed when it starts: another one asks for it. */
test.each(['UTC', 'Asia/Kolkata', 'America/New_York', 'Pacific/Chatham'])(
  'what was asked for on a host in %s stands on the guest’s wall',
  (zone) => {
    const program = `${wallClock.toString()}
      for (const month of [0, 6]) console.log(wallClock(new Date(2031, month, 4, 5, 6, 7)).toISOString());`;
    const said = execFileSync(process.execPath, ['-e', program], { env: { TZ: zone }, encoding: 'utf8' });
    expect(said).toBe('2031-01-04T05:06:07.000Z\n2031-07-04T05:06:07.000Z\n');
  },
);
