import {
  type DnsAnswer,
  decodeMessage,
  type DnsMessage,
  type DnsQuestion,
  encodeMessage,
} from '#formats/dns.js';
import type { NamePool } from './names.js';

export const DNS_PORT = 53;

const TTL_SECONDS = 300;
const NXDOMAIN = 3;
const SERVICE_PORTS: Readonly<Record<string, number>> = {
  _http: 80,
  _https: 443,
  _ldap: 389,
  _kerberos: 88,
  _sip: 5060,
  '_xmpp-client': 5222,
  _submission: 587,
};

export interface DnsReply {
  readonly bytes: Buffer;
  readonly question: DnsQuestion;
  /** Data of the first answer; null when there is none. */
  readonly answer: string | null;
}

/** Reads the question of a query; null for anything that is none. */
export function readQuestion(
  query: Buffer,
): { readonly message: DnsMessage; readonly question: DnsQuestion } | null {
  try {
    const message = decodeMessage(query);
    const [question] = message.questions;
    return message.response || question === undefined ? null : { message, question };
  } catch {
    // Not DNS: the caller keeps it as any other datagram.
    return null;
  }
}

/** The answer of a resolver that knows every name; null for what is no query. */
export function answerDns(query: Buffer, names: NamePool): DnsReply | null {
  const asked = readQuestion(query);
  if (asked === null) return null;
  const { message, question } = asked;
  const found = resolve(question, names);
  const reply = (answers: readonly DnsAnswer[], rcode: number): Buffer =>
    encodeMessage({ id: message.id, response: true, rcode, questions: [question], answers });
  try {
    const bytes = reply(found.answers, found.rcode);
    return { bytes, question, answer: found.answers[0]?.data ?? null };
  } catch {
    // A name that leaves no room for `mail.` in front of it: such a host has no mail server.
    return { bytes: reply([], 0), question, answer: null };
  }
}

function resolve(question: DnsQuestion, names: NamePool): { answers: DnsAnswer[]; rcode: number } {
  const { name } = question;
  const one = (type: string, data: string): { answers: DnsAnswer[]; rcode: number } => ({
    answers: [{ name, type, ttl: TTL_SECONDS, data }],
    rcode: 0,
  });
  if (name === '') return { answers: [], rcode: 0 };
  switch (question.type) {
    case 'A':
    case 'ANY':
      return one('A', names.addressOf(name));
    case 'PTR': {
      const host = names.nameOf(reversed(name));
      return host === null ? { answers: [], rcode: NXDOMAIN } : one('PTR', host);
    }
    case 'MX':
      return one('MX', `10 mail.${name}`);
    case 'NS':
      return one('NS', `ns1.${name}`);
    case 'TXT':
      return one('TXT', 'v=spf1 mx ~all');
    case 'SOA':
      return one('SOA', `ns1.${name} hostmaster.${name} 2024010101 7200 3600 1209600 300`);
    case 'SRV': {
      const [service = '', , ...domain] = name.split('.');
      return one('SRV', `0 5 ${SERVICE_PORTS[service.toLowerCase()] ?? 443} ${domain.join('.')}`);
    }
    default:
      // AAAA among them: the name exists, but not with this type.
      return { answers: [], rcode: 0 };
  }
}

/** `4.3.2.1.in-addr.arpa` → `1.2.3.4`; '' for any other name. */
function reversed(name: string): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/i.exec(name);
  return match === null ? '' : match.slice(1, 5).reverse().join('.');
}
