import { expect, test } from '@jest/globals';
import { baseRules } from './base-rules.js';
import { closeRules, openRules, type Guest } from './lease-rules.js';
import type { Plan } from './routing.js';

const GUEST: Guest = {
  task: 7,
  ip: '10.0.0.2',
  interface: 'br0',
  mac: null,
  resultServer: { ip: '10.0.0.1', port: 2042 },
  agentPort: 8000,
};
const LINE: Plan = { kind: 'line', interface: 'eth0', table: 'main', autoRt: false, reject: ['10.0.0.0/8'] };

function chain(script: string, name: string): readonly string[] {
  const [, body = ''] =
    new RegExp(`chain t_7_${name} \\{\\n([^}]*(?:\\{[^}\\n]*\\}[^}]*)*)\\n  \\}\\n`).exec(script) ?? [];
  return body.split('\n').map((line) => line.trim());
}

test('whatever the route, the last rule of a guest’s chains drops and counts', () => {
  const plans: readonly Plan[] = [
    { kind: 'drop' },
    LINE,
    {
      kind: 'redirect',
      server: '10.0.0.1',
      via: null,
      tcp: new Map(),
      udp: new Map(),
      others: { tcp: 1, udp: 'drop' },
    },
  ];
  for (const plan of plans)
    for (const place of ['in', 'out', 'from', 'to'])
      expect(chain(openRules(GUEST, plan), place).at(-1)).toBe('counter name t_7 drop');
});

test('a card’s address is checked where it is known', () => {
  const mac = '52:54:00:00:00:01';
  expect(chain(openRules({ ...GUEST, mac }, LINE), 'from')[0]).toBe(
    `ether saddr != ${mac} counter name t_7 drop`,
  );
  expect(openRules(GUEST, LINE)).not.toContain('ether');
});

test('rejected networks come before the line', () => {
  expect(chain(openRules(GUEST, LINE), 'from')).toEqual([
    'ip daddr 10.0.0.0/8 counter name t_7 drop',
    'oifname "eth0" accept',
    'counter name t_7 drop',
  ]);
});

test('with none = host the host’s rules decide, but not about other guests', () => {
  expect(chain(openRules(GUEST, { kind: 'host' }), 'from')[0]).toBe('oifname != @interfaces accept');
});

test('what a lease adds, closing it deletes', () => {
  const names = (script: string, verb: string): readonly string[] =>
    [...script.matchAll(new RegExp(`^${verb} element (.*?) \\}`, 'gm'))]
      .map(([, what = '']) => what.replaceAll(/ : jump \w+/g, ''))
      .sort();
  const sim: Plan = {
    kind: 'redirect', server: '10.0.0.3', via: 'br0', tcp: new Map(), udp: new Map(), others: { tcp: 'same', udp: 'same' },
  }; // prettier-ignore
  for (const plan of [LINE, sim])
    expect(names(closeRules(GUEST, plan), 'delete')).toEqual(names(openRules(GUEST, plan), 'add'));
});

test('bridges are matched by name only where the kernel can', () => {
  const base = { interfaces: ['br0'], addresses: [], owner: { pid: 1, start: 1 }, before: [] };
  expect(baseRules({ ...base, bridgeNames: true })).toContain('meta ibrname { "br0" }');
  expect(baseRules({ ...base, bridgeNames: false })).not.toContain('ibrname');
});
