import { X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { CertificateAuthority } from './ca.js';

test('its certificate holds for every clock that a guest can be given', async () => {
  const ca = await CertificateAuthority.create();
  const { validFrom, validTo } = new X509Certificate(ca.certificate);
  expect([new Date(validFrom).toISOString(), new Date(validTo).toISOString()]).toEqual([
    '1970-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.000Z',
  ]);
  expect(CertificateAuthority.fromPem(ca.pem).isForever).toBe(true);
});
