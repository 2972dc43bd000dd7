import { expect, test } from '@jest/globals';
import { machineryNames } from './machineries.js';

test.each([
  ['qemu', { names: ['qemu'] }],
  ['fake, qemu', { names: ['fake', 'qemu'] }],
  ['qemu,qemu', { names: ['qemu'] }],
  ['libvirt,virtualbox,kvm', { names: ['kvm', 'virtualbox'] }],
  ['constructor', { unknown: 'constructor' }],
  ['qemu,vmware', { unknown: 'vmware' }],
  [' , ', { unknown: ' , ' }],
])('%j', (text, expected) => {
  expect(machineryNames(text)).toEqual(expected);
});
