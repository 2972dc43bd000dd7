import {
  createPrivateKey,
  createPublicKey,
  createSign,
  generateKeyPair,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { promisify } from 'node:util';
import forge from 'node-forge';

const RSA_BITS = 2048;

/** One per name asked; the least recently used is made again when needed (about a millisecond). */
const MAX_CONTEXTS = 256;

/** The guest's clock is what the submitter wants: certificates hold for all of it (RFC 5280 section 4.1.2.5). */
const VALID_FROM = new Date('1970-01-01T00:00:00Z');
const VALID_UNTIL = new Date('9999-12-31T23:59:59Z');

/** Names that may stand in a certificate; anything else a guest sends as SNI gets the stand-in. */
const HOST_NAME =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;
const STAND_IN = 'localhost';

/** Exported by forge, absent from its types. */
const pki = forge.pki as typeof forge.pki & {
  getTBSCertificate(certificate: forge.pki.Certificate): forge.asn1.Asn1;
};

const generate = promisify(generateKeyPair);

/** What the caller keeps, all in PEM. The keys open everything the guest trusts, and nothing else trusts them. */
export interface CertificateAuthorityPem {
  readonly certificate: string;
  readonly key: string;
  /** Of every certificate it signs. Kept as well: making one takes half a second of each start. */
  readonly leafKey: string;
}

/**
 * Signs a certificate for whatever name a guest asks for. Made once at set-up; its certificate goes into the guest's
 * trust store. All leaves share one key: making keys is slow, and nobody's secret is protected by them.
 */
export class CertificateAuthority {
  private readonly contexts = new Map<string, SecureContext>();

  private constructor(
    readonly pem: CertificateAuthorityPem,
    private readonly issuer: forge.pki.Certificate,
    private readonly key: KeyObject,
    private readonly leaf: { readonly pem: string; readonly publicKey: forge.pki.PublicKey },
  ) {}

  /** A new authority; takes some tenths of a second. `name` is shown by tools that list trusted authorities. */
  static async create(name = 'Root CA'): Promise<CertificateAuthority> {
    const [pair, leaf] = await Promise.all([
      generate('rsa', { modulusLength: RSA_BITS }),
      generate('rsa', { modulusLength: RSA_BITS }),
    ]);
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = forgePublicKey(pair.publicKey);
    const subject = [{ name: 'commonName', value: name }];
    prepare(certificate, subject, subject);
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ]);
    sign(certificate, pair.privateKey);
    return this.fromPem({
      certificate: forge.pki.certificateToPem(certificate),
      key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      leafKey: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    });
  }

  /** The authority that `create` made earlier. */
  static fromPem(pem: CertificateAuthorityPem): CertificateAuthority {
    return new CertificateAuthority(
      pem,
      forge.pki.certificateFromPem(pem.certificate),
      createPrivateKey(pem.key),
      {
        pem: pem.leafKey,
        publicKey: forgePublicKey(createPublicKey(pem.leafKey)),
      },
    );
  }

  /** For the guest's trust store. */
  get certificate(): string {
    return this.pem.certificate;
  }

  /** Whether it holds for every clock; those made by earlier versions did for some. */
  get isForever(): boolean {
    const { notBefore, notAfter } = this.issuer.validity;
    return notBefore <= VALID_FROM && notAfter >= VALID_UNTIL;
  }

  /** What a TLS server called `name` (a host name or an address; guest's text) needs. */
  contextFor(name: string): SecureContext {
    const host = isIP(name) !== 0 || HOST_NAME.test(name) ? name.toLowerCase() : STAND_IN;
    const context = this.contexts.get(host) ?? this.make(host);
    this.contexts.delete(host);
    this.contexts.set(host, context);
    const oldest = this.contexts.keys().next().value;
    if (this.contexts.size > MAX_CONTEXTS && oldest !== undefined) this.contexts.delete(oldest);
    return context;
  }

  private make(host: string): SecureContext {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = this.leaf.publicKey;
    // X.520 bounds a common name at 64 characters; clients read the alternative name anyway.
    prepare(certificate, [{ name: 'commonName', value: host.slice(0, 64) }], this.issuer.subject.attributes);
    const altName = isIP(host) !== 0 ? { type: 7, ip: host } : { type: 2, value: host };
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [altName] },
      { name: 'subjectKeyIdentifier' },
      {
        name: 'authorityKeyIdentifier',
        keyIdentifier: this.issuer.generateSubjectKeyIdentifier().getBytes(),
      },
    ]);
    sign(certificate, this.key);
    return createSecureContext({
      key: this.leaf.pem,
      cert: forge.pki.certificateToPem(certificate),
      // Old malware speaks old TLS.
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
  }
}

function prepare(
  certificate: forge.pki.Certificate,
  subject: forge.pki.CertificateField[],
  issuer: forge.pki.CertificateField[],
): void {
  // Positive and not zero, as RFC 5280 section 4.1.2.2 wants it.
  certificate.serialNumber = `4${randomBytes(15).toString('hex').slice(1)}`;
  certificate.validity.notBefore = VALID_FROM;
  certificate.validity.notAfter = VALID_UNTIL;
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
}

/** forge builds the certificate, OpenSSL signs it: forge's own RSA takes a hundred times longer. */
function sign(certificate: forge.pki.Certificate, key: KeyObject): void {
  const oid = forge.pki.oids['sha256WithRSAEncryption'] ?? '';
  certificate.signatureOid = oid;
  certificate.siginfo.algorithmOid = oid;
  const body = forge.asn1.toDer(pki.getTBSCertificate(certificate)).getBytes();
  certificate.signature = createSign('sha256')
    .update(Buffer.from(body, 'binary'))
    .sign(key)
    .toString('binary');
}

function forgePublicKey(key: KeyObject): forge.pki.PublicKey {
  return forge.pki.publicKeyFromPem(key.export({ type: 'spki', format: 'pem' }).toString());
}
