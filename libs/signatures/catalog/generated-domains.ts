import { iocMark } from '../marks.js';
import type { CodeSignature } from '../signature.js';

/** Different generated-looking names before it counts: one odd name is a content network. */
const NAMES = 10;
const MIN_LENGTH = 8;
const COMMON_PAIRS = new Set(
  'th he in er an re nd on en at ou ed ha to or it is hi es ng st te ti ar se al le nt me ne ra ro de co ri io li la ma ta ce ch us'.split(
    ' ',
  ),
);
/** English-like names have about half of their letter pairs among the common ones; random letters about 7 %. */
const MAX_COMMON = 0.2;

function looksGenerated(label: string): boolean {
  if (label.length < MIN_LENGTH || label.startsWith('xn--') || label.includes('-')) return false;
  const pairs = Array.from({ length: label.length - 1 }, (_, i) => label.slice(i, i + 2));
  const common = pairs.filter((pair) => COMMON_PAIRS.has(pair)).length / pairs.length;
  return common <= MAX_COMMON && new Set(label).size >= 6;
}

/** The label under the public suffix, near enough: the last but one, or the one before a two-letter pair like co.uk. */
function registered(name: string): string {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.');
  const index = (labels.at(-1)?.length ?? 0) === 2 && (labels.at(-2)?.length ?? 9) <= 3 ? -3 : -2;
  return labels.at(index) ?? '';
}

export default {
  name: 'generated_domains',
  description: 'Asks for many names that look generated',
  severity: 3,
  ttp: ['T1568.002'],
  match({ network }) {
    const labels = new Map((network?.dns ?? []).map(({ request }) => [registered(request), request]));
    const generated = [...labels].filter(([label]) => looksGenerated(label));
    return generated.length >= NAMES ? generated.map(([, name]) => iocMark('domain', name)) : [];
  },
} satisfies CodeSignature;
