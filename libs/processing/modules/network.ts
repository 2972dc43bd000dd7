import { ARTIFACTS } from '#domain/artifacts.js';
import type { ProcessingModule } from '../processing.js';

/** Whom the guest talked to: capture and fake internet together, with the process where the trace tells it. */
export const network: ProcessingModule<'network'> = {
  section: 'network',
  needs: [ARTIFACTS.pcap, ARTIFACTS.fakenet],
  async run(folder, note) {
    const facts = await folder.network();
    if (facts === null) return undefined;
    facts.notes.forEach(note);
    return facts.section;
  },
};
