import type { Report, SignatureMatch } from '#domain/report.js';
import { clip } from '../../text.js';
import { callKey } from '../maec/choose.js';
import type { Actions } from './actions.js';
import { nonEmpty, type PackageBuilder } from './package.js';

/** One behavior for each signature that names ATT&CK techniques, with the actions that prove it. Gives their ids. */
export function addBehaviors(
  { signatures }: Report,
  actions: Actions,
  to: PackageBuilder,
): readonly string[] {
  const telling = signatures.filter(({ ttp }) => Object.keys(ttp).length > 0);
  return telling.map((match) => {
    const id = to.identifier('behavior', match.name);
    const proof = match.marks.flatMap((mark) => {
      const ref = mark.type === 'call' ? actions.ofCall.get(callKey(mark.procid, mark.cid)) : undefined;
      return ref === undefined ? [] : [ref];
    });
    to.objects.push({
      type: 'behavior',
      id,
      name: match.name.replaceAll('_', '-'),
      description: match.description,
      action_refs: nonEmpty(proof),
      technique_refs: techniques(match),
    });
    return id;
  });
}

function techniques({ ttp }: SignatureMatch): readonly object[] {
  return Object.entries(ttp).map(([id, { short }]) => ({
    source_name: 'mitre-attack',
    external_id: id,
    description: short,
    url: `https://attack.mitre.org/techniques/${id.replace('.', '/')}`,
  }));
}

/** `severity` is text in MAEC, whatever it holds. */
export function triggered({ signatures }: Report): readonly object[] | undefined {
  const all = signatures.map((match) => ({
    signature_type: 'malkoha',
    name: match.name,
    description: clip(match.description, 1024),
    severity: String(match.severity),
  }));
  return nonEmpty(all);
}
