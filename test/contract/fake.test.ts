import { fakeMachinery } from '#machinery/adapters/fake/fake.js';
import { scriptedMachinery } from '#machinery/adapters/fake/scripted.js';
import { machineryContract } from './machinery.contract.js';

const machinery = fakeMachinery([
  {
    name: 'win10',
    label: 'win10',
    platform: 'windows',
    tags: [],
    ip: '192.0.2.10',
    resultServer: { ip: '192.0.2.1', port: 2042 },
    arch: 'x64',
    reserved: false,
    snapshot: 'clean',
  },
]);

machineryContract('fake', () => ({
  machinery,
  lose: async (name) => machinery.lose(name),
}));

const scripted = scriptedMachinery(machinery.machines);

machineryContract('fake with scripted guests', () => ({
  machinery: scripted,
  lose: async (name) => scripted.crash(name),
}));
