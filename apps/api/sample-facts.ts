import { FileFactsBuilder } from '#formats/file-facts.js';
import type { FactsAccumulator } from '#storage/binaries.js';

/** Hashes and type of an upload, in the words of a stored sample. */
export function sampleFacts(): FactsAccumulator {
  const facts = new FileFactsBuilder();
  return {
    update: (chunk) => facts.update(chunk),
    finish: async () => {
      const { size, type, ...hashes } = await facts.finish();
      return { fileSize: size, fileType: type, ...hashes };
    },
  };
}
