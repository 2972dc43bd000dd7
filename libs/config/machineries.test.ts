import { expect, test } from '@jest/globals';
import { machineryNames } from './machineries.js';

test.each([
  ['qemu', { names: ['qemu'] }],
  ['fake, qemu', { names: ['fake', 'qemu'] }],
  ['qemu,qemu', { names: ['qemu'] }],
  ['qemu,vmware', { unknown: 'vmware' }],
  [' , ', { unknown: ' , ' }],
])('%j', (text, expected) => {
  expect(machineryNames(text)).toEqual(expected);
});
