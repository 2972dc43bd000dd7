import { XmlDocument, XsdValidator } from 'libxml2-wasm';
import { readFile } from 'node:fs/promises';

/**
 * Parses, validates against a schema of test/support, and looks. Memory of libxml2 is not collected: dispose of it.
 *
 * @throws an error of libxml2 that names the line
 */
export async function validator(schema: string): Promise<{
  readonly check: <T>(text: string | Buffer, look: (document: XmlDocument) => T) => T;
  readonly dispose: () => void;
}> {
  const source = XmlDocument.fromBuffer(await readFile(new URL(schema, import.meta.url)));
  const xsd = XsdValidator.fromDoc(source);
  return {
    check: (text, look) => {
      const document = typeof text === 'string' ? XmlDocument.fromString(text) : XmlDocument.fromBuffer(text);
      try {
        xsd.validate(document);
        return look(document);
      } finally {
        document.dispose();
      }
    },
    dispose: () => {
      xsd.dispose();
      source.dispose();
    },
  };
}
