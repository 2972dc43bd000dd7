import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { routingSettings } from './routing-conf.js';

const read = (text: string) => readText(routingSettings, text);

test('without a file a guest reaches nothing, and the built-in fake internet is there', () => {
  expect(read('').settings).toEqual({
    ...{ route: 'none', none: 'drop', internet: null, rtTable: 'main', autoRt: true, rejectSegments: [] },
    inetsim: { enabled: false, server: '192.168.56.1', ports: [], dnsport: 53, interface: '' },
    tor: { enabled: false, dnsport: 5353, proxyport: 9040, interface: '' },
    vpns: [],
  });
});

test('a lab with everything', () => {
  const { settings, warnings } = read(`[routing]
route = spain
internet = eth1
rt_table = 201
auto_rt = no
none = host
reject_segments = 10.0.0.0/8, 192.168.0.0/16
[inetsim]
enabled = yes
server = 10.3.0.2
ports = 80:8080 443:8443
[tor]
enabled = yes
[vpn]
enabled = yes
vpns = vpn0, vpn1
[vpn0]
name = spain
description = Spain, Europe
interface = tun0
[vpn1]
interface = tun1
rt_table = 77
`);
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({
    ...{ route: 'spain', none: 'host', internet: 'eth1', rtTable: '201', autoRt: false },
    rejectSegments: ['10.0.0.0/8', '192.168.0.0/16'],
    inetsim: {
      enabled: true,
      ports: [
        { from: 80, to: 8080 },
        { from: 443, to: 8443 },
      ],
    },
    vpns: [
      { name: 'spain', description: 'Spain, Europe', interface: 'tun0', rtTable: 'tun0' },
      { name: 'vpn1', description: '', interface: 'tun1', rtTable: '77' },
    ],
  });
});

test.each([
  [
    '[routing]\nroute = internt',
    'expected none, drop, internet, inetsim, tor, or a VPN of [vpn]; did you mean "internet"?',
  ],
  ['[routing]\nroute = internet', '[routing] internet must name the interface of that route'],
  ['[routing]\nroute = tor', '[tor] enabled must be yes'],
  [
    '[routing]\nroute = vpn0\n[vpn]\nvpns = vpn0\n[vpn0]\ninterface = tun0',
    'x.conf:2: [routing] route = "vpn0": expected',
  ],
  ['[vpn]\nenabled = yes\nvpns = a', 'x.conf:3: [vpn] vpns names "a", but there is no section [a]'],
  ['[vpn]\nenabled = yes\nvpns = a\n[a]\nname = a', 'x.conf:4: [a] has no interface'],
  [
    '[vpn]\nenabled = yes\nvpns = a\n[a]\nname = tor\ninterface = tun0',
    'x.conf:5: [a] name = "tor": it is the name of another route',
  ],
  ['[inetsim]\nports = 80', 'expected pairs such as 80:8080'],
  ['[inetsim]\nports = 80:70000', 'expected pairs such as 80:8080'],
  ['[routing]\nreject_segments = 10.0.0.0/33', 'expected none, or networks such as 10.0.0.0/8'],
  ['[routing]\nnone = allow', 'expected drop, host'],
])('%j is refused', (text, message) => {
  expect(() => read(text)).toThrow(message);
});

test('what CAPE calls false is drop', () => {
  expect(read('[routing]\nroute = false').settings.route).toBe('drop');
});
