import type { RouteRequest } from '#network/rooter/protocol.js';
import { PLACES, quoted, TABLE } from './base-rules.js';
import type { Permit } from './permit.js';
import type { Plan, Redirect } from './routing.js';

export type Guest = Permit & Pick<RouteRequest, 'task' | 'resultServer'>;

/**
 * Opens a lease in one transaction: a chain for each place a packet of the guest is looked at, and the elements that lead
 * there. Each but `nat` ends in a drop that the task's counter counts.
 */
export function openRules(guest: Guest, plan: Plan): string {
  const name = leaseName(guest.task);
  const chains = PLACES.map((place) => {
    const rules = [...RULES[place](guest, plan), ...(place === 'nat' ? [] : [`counter name ${name} drop`])];
    return `  chain ${name}_${place} {\n${rules.map((rule) => `    ${rule}\n`).join('')}  }\n`;
  });
  return `table inet ${TABLE} {\n  counter ${name} { }\n${chains.join('')}}\n${changes('add', guest, plan)}`;
}

/** Takes a lease back in one transaction. */
export function closeRules(guest: Guest, plan: Plan): string {
  const name = leaseName(guest.task);
  const chains = PLACES.map((place) => `chain inet ${TABLE} ${name}_${place}`);
  return `${changes('delete', guest, plan)}${[
    ...chains.map((chain) => `flush ${chain}`),
    ...chains.map((chain) => `delete ${chain}`),
    `delete counter inet ${TABLE} ${name}`,
  ].join('\n')}\n`;
}

/** Bare words such as `fwd` and `mark` are keywords of nft: everything of a task begins with `t_`. */
export function leaseName(task: number): string {
  return `t_${task}`;
}

function changes(verb: 'add' | 'delete', guest: Guest, plan: Plan): string {
  const key = `${quoted(guest.interface)} . ${guest.ip}`;
  const maps = PLACES.map((place) => {
    const verdict = verb === 'add' ? ` : jump ${leaseName(guest.task)}_${place}` : '';
    return `${verb} element inet ${TABLE} m_${place} { ${key}${verdict} }\n`;
  });
  const out = plan.kind === 'line' ? plan.interface : plan.kind === 'redirect' ? plan.via : null;
  const masquerade =
    out === null ? '' : `${verb} element inet ${TABLE} masqueraded { ${guest.ip} . ${quoted(out)} }\n`;
  const neighbours =
    plan.kind === 'redirect' && plan.via === guest.interface
      ? `${verb} element bridge ${TABLE} neighbours { ${guest.ip} . ${plan.server}, ${plan.server} . ${guest.ip} }\n`
      : '';
  return `${maps.join('')}${masquerade}${neighbours}`;
}

type Rules = (guest: Guest, plan: Plan) => readonly string[];

/** Answers to what the guest was allowed to begin, and errors about it. */
const ANSWERS = 'ct direction reply ct state established,related accept';

const RULES: Readonly<Record<(typeof PLACES)[number], Rules>> = {
  /** Guest to host. */
  in: (guest, plan) => [
    ...honest(guest),
    `ip daddr ${guest.resultServer.ip} tcp dport ${guest.resultServer.port} accept`,
    `tcp sport ${guest.agentPort} ct direction reply ct state established accept`,
    ...(plan.kind === 'host' ? ['accept'] : []),
    ...(plan.kind === 'redirect' && plan.via === null ? redirected(plan) : []),
  ],
  /** Host to guest. */
  out: (guest, plan) => [
    `tcp dport ${guest.agentPort} accept`,
    `ip saddr ${guest.resultServer.ip} tcp sport ${guest.resultServer.port} ct direction reply ct state established accept`,
    ...(plan.kind === 'host' ? ['accept'] : []),
    ...(plan.kind === 'redirect' ? [ANSWERS] : []),
    // "Too big" and "unreachable" of this host as a router: without them, connections through a VPN's smaller packets hang.
    ...(plan.kind === 'line' ? ['ip protocol icmp ct state related accept'] : []),
  ],
  /** Guest to elsewhere, after redirection: is there any way out? */
  pre: (_, plan) =>
    plan.kind === 'drop' || (plan.kind === 'redirect' && plan.via === null) ? [] : ['accept'],
  /** Guest to elsewhere. */
  from: (guest, plan) => [...honest(guest), ...beyond(guest, plan)],
  /** Elsewhere to guest. */
  to: (_, plan) => {
    switch (plan.kind) {
      case 'drop':
        return [];
      case 'host':
        return ['iifname != @interfaces accept'];
      case 'line':
        return [`iifname ${quoted(plan.interface)} ${ANSWERS}`];
      case 'redirect':
        return plan.via === null ? [] : [`iifname ${quoted(plan.via)} ip saddr ${plan.server} ${ANSWERS}`];
    }
  },
  /** Where connections of the guest lead instead. */
  nat: ({ resultServer }, plan) =>
    plan.kind === 'redirect'
      ? [`ip daddr ${resultServer.ip} tcp dport ${resultServer.port} accept`, ...destinations(plan)]
      : [],
};

/** Another guest on the bridge can send with this one's address, but not unnoticed with its own card's. */
function honest({ mac, task }: Guest): readonly string[] {
  return mac === null ? [] : [`ether saddr != ${mac} counter name ${leaseName(task)} drop`];
}

function beyond({ task }: Guest, plan: Plan): readonly string[] {
  switch (plan.kind) {
    case 'drop':
      return [];
    case 'host':
      return ['oifname != @interfaces accept'];
    case 'line':
      return [
        // Without an answer: to the guest these networks are not there.
        ...plan.reject.map((network) => `ip daddr ${network} counter name ${leaseName(task)} drop`),
        `oifname ${quoted(plan.interface)} accept`,
      ];
    case 'redirect':
      return plan.via === null
        ? []
        : [`oifname ${quoted(plan.via)} ip daddr ${plan.server} meta l4proto { tcp, udp } accept`];
  }
}

/** The server is this host: only the ports that connections are led to, never the rest of it. */
function redirected({ server, tcp, udp, others }: Redirect): readonly string[] {
  return [...accepted('tcp', server, tcp, others.tcp), ...accepted('udp', server, udp, others.udp)];
}

function accepted(
  protocol: 'tcp' | 'udp',
  server: string,
  to: ReadonlyMap<number, number>,
  others: Redirect['others']['tcp'],
): readonly string[] {
  const ports = [...new Set([...to.values(), ...(typeof others === 'number' ? [others] : [])])];
  return ports.length === 0 ? [] : [`ip daddr ${server} ${protocol} dport { ${ports.join(', ')} } accept`];
}

function destinations({ server, tcp, udp, others }: Redirect): readonly string[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const rest = others[protocol];
    return [
      ...[...(protocol === 'tcp' ? tcp : udp)].map(
        ([asked, port]) => `${protocol} dport ${asked} dnat ip to ${server}:${port}`,
      ),
      ...(rest === 'drop'
        ? []
        : [`meta l4proto ${protocol} dnat ip to ${server}${rest === 'same' ? '' : `:${rest}`}`]),
    ];
  });
}
