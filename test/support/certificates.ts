import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import forge from 'node-forge';

/**
 * A certificate authority of our own below `dir`, and what it signed: `server.pem`/`server.key` for 127.0.0.1 and, in
 * the folder `client`, cacert.pem, clientcert.pem and clientkey.pem. `stranger` is such a folder too, with a client
 * certificate that another authority signed.
 */
export function makeCertificates(dir: string): {
  readonly ca: string;
  readonly client: string;
  readonly stranger: string;
} {
  const [client, stranger] = [join(dir, 'client'), join(dir, 'stranger')];
  mkdirSync(client, { recursive: true });
  mkdirSync(stranger, { recursive: true });
  const [ca, other] = [authority(), authority()];
  const server = signed(ca, '127.0.0.1', [
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
  ]);
  writeFileSync(join(dir, 'server.pem'), server.certificate);
  writeFileSync(join(dir, 'server.key'), server.key);
  for (const [folder, issuer] of [
    [client, ca],
    [stranger, other],
  ] as const) {
    const { certificate, key } = signed(issuer, 'lab client', [{ name: 'extKeyUsage', clientAuth: true }]);
    writeFileSync(join(folder, 'cacert.pem'), forge.pki.certificateToPem(ca.certificate));
    writeFileSync(join(folder, 'clientcert.pem'), certificate);
    writeFileSync(join(folder, 'clientkey.pem'), key);
  }
  return { ca: join(client, 'cacert.pem'), client, stranger };
}

interface Authority {
  readonly certificate: forge.pki.Certificate;
  readonly keys: forge.pki.rsa.KeyPair;
}

function authority(): Authority {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const certificate = blank('Test CA', keys.publicKey);
  certificate.setIssuer(certificate.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, critical: true },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return { certificate, keys };
}

function signed(
  issuer: Authority,
  name: string,
  extensions: readonly object[],
): { certificate: string; key: string } {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const certificate = blank(name, keys.publicKey);
  certificate.setIssuer(issuer.certificate.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    ...extensions,
  ]);
  certificate.sign(issuer.keys.privateKey, forge.md.sha256.create());
  return {
    certificate: forge.pki.certificateToPem(certificate),
    key: forge.pki.privateKeyToPem(keys.privateKey),
  };
}

function blank(name: string, publicKey: forge.pki.PublicKey): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(8))}`;
  const day = 24 * 3600 * 1000;
  certificate.validity.notBefore = new Date(Date.now() - day);
  certificate.validity.notAfter = new Date(Date.now() + day);
  certificate.setSubject([{ name: 'commonName', value: name }]);
  return certificate;
}
