import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Extension, JsonName } from '@peculiar/x509';
import { openClusterPki } from './authority.ts';
import { parseCertificate } from './certificate.ts';
import { createCertificateRequest, parseCertificateRequest } from './certificate-request.ts';
import { validity } from './signing.ts';
import { loadX509 } from './x509.ts';

const minute = 60_000;
const hour = 60 * minute;
const node = { commonName: 'system:node:web', organizations: ['system:nodes'] };

test('a request says what was asked for and who holds the key', async () => {
  const { requestPem, privateKeyPem } = await createCertificateRequest({
    ...node,
    dnsNames: ['web'],
    ipAddresses: ['::1', '192.0.2.1'],
    emailAddresses: ['a@example.com'],
    uris: ['spiffe://x/y'],
  });
  const request = await parseCertificateRequest(requestPem);
  assert.equal(request.commonName, 'system:node:web');
  assert.deepEqual(request.organizations, ['system:nodes']);
  assert.deepEqual([request.dnsNames, request.ipAddresses], [['web'], ['::1', '192.0.2.1']]);
  assert.deepEqual(
    [request.emailAddresses, request.uris, request.otherNames],
    [['a@example.com'], ['spiffe://x/y'], []],
  );
  assert.deepEqual([request.keyType, request.keyBits], ['ec', 256]);
  const again = await createCertificateRequest({ ...node, privateKeyPem });
  assert.ok((await parseCertificateRequest(again.requestPem)).publicKey.equals(request.publicKey));
});

test('a request that was changed, or is none, is refused', async (t) => {
  const { requestPem } = await createCertificateRequest(node);
  const der = Buffer.from(requestPem.replace(/-----[^-]+-----/g, ''), 'base64');
  const toPem = (bytes: Buffer) =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  const renamed = Buffer.from(der.toString('latin1').replace('system:node:web', 'system:node:wex'), 'latin1');
  const cases: [string, string, RegExp][] = [
    ['another name', toPem(renamed), /signature of the certificate request is wrong/],
    [
      'another block',
      requestPem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'),
      /PEM block type must be CERTIFICATE REQUEST/,
    ],
    ['two blocks', requestPem + requestPem, /PEM block type/],
    ['nothing', '', /PEM block type/],
    ['cut', toPem(der.subarray(0, 60)), /cannot be parsed/],
    ['huge', 'x'.repeat(100_000), /too large/],
  ];
  for (const [name, pem, message] of cases) {
    await t.test(name, () =>
      assert.rejects(parseCertificateRequest(pem), { name: 'CertificateRequestError', message }),
    );
  }
});

test('a request with any byte changed is refused or the same', async () => {
  const { requestPem } = await createCertificateRequest({ ...node, dnsNames: ['web'] });
  const der = Buffer.from(requestPem.replace(/-----[^-]+-----/g, ''), 'base64');
  for (let index = 0; index < der.length; index += 7) {
    const mutated = Buffer.from(der);
    mutated[index] = (mutated[index] ?? 0) ^ 0x55;
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${mutated.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    await assert.rejects(parseCertificateRequest(pem), { name: 'CertificateRequestError' }, `byte ${index}`);
  }
});

test('weak and strange keys are refused', async (t) => {
  const keys = {
    'RSA 1024': generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
    secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey,
  };
  for (const [name, key] of Object.entries(keys)) {
    await t.test(name, async () => {
      const privateKeyPem = key.export({ type: 'pkcs8', format: 'pem' }) as string;
      await assert.rejects(
        createCertificateRequest({ ...node, privateKeyPem }).then(({ requestPem }) =>
          parseCertificateRequest(requestPem),
        ),
      );
    });
  }
});

test('an RSA request is read and signed', async () => {
  const { cluster } = await openClusterPki();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const { requestPem } = await createCertificateRequest({ ...node, privateKeyPem });
  const pem = await cluster.signRequest(requestPem, {
    usages: ['digital signature', 'key encipherment', 'client auth'],
  });
  assert.ok(parseCertificate(pem).x509.checkPrivateKey(privateKey));
});

test('a signer copies subject and names, is no authority, and grants only the usages given', async () => {
  const { kubeletServing } = await openClusterPki();
  const { requestPem } = await createCertificateRequest({ ...node, dnsNames: ['web'], ipAddresses: ['192.0.2.1'] });
  const pem = await kubeletServing.signRequest(requestPem, {
    usages: ['digital signature', 'server auth'],
    expirationSeconds: 3600,
  });
  const certificate = parseCertificate(pem);
  assert.equal(certificate.x509.subject, 'O=system:nodes\nCN=system:node:web');
  assert.deepEqual([certificate.dnsNames, certificate.ipAddresses], [['web'], ['192.0.2.1']]);
  assert.equal(certificate.isAuthority, false);
  assert.deepEqual([...certificate.x509.keyUsage], ['1.3.6.1.5.5.7.3.1']);
  assert.ok(certificate.x509.checkIssued(kubeletServing.certificate));
  await assert.rejects(kubeletServing.signRequest(requestPem, { usages: ['fly'] }), {
    message: 'Unknown key usage "fly"',
  });
});

test('a certificate lives as long as upstream lets it', () => {
  const nowMs = 1_000_000_000;
  const authority = { notAfterMs: nowMs + 1000 * hour };
  const lifeOf = (options: { expirationSeconds?: number; maxLifetimeMs?: number }) => {
    const { notBeforeMs, notAfterMs } = validity(authority, { ...options, nowMs });
    assert.equal(notBeforeMs, nowMs - 5 * minute);
    return notAfterMs - nowMs;
  };
  assert.equal(lifeOf({ expirationSeconds: 3600 }), hour);
  assert.equal(lifeOf({ expirationSeconds: 1 }), 10 * minute);
  assert.equal(lifeOf({ expirationSeconds: 8 * 3600 }), 8 * hour - 5 * minute);
  assert.equal(lifeOf({ expirationSeconds: 8 * 3600, maxLifetimeMs: 2 * hour }), 2 * hour);
  assert.equal(lifeOf({}), 1000 * hour);
});

/** A request as a stranger may write it, rightly signed. */
async function makeStrangeRequest(
  make: (x509: Awaited<ReturnType<typeof loadX509>>) => { name?: JsonName; extensions?: Extension[] },
) {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: ['system:node:web'] }],
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    ...make(x509),
  });
  return request.toString('pem');
}

test('every common name, other attribute and other kind of name of a stranger is seen', async () => {
  const twoNames = await makeStrangeRequest(() => ({
    name: [{ CN: ['system:node:a'] }, { OU: ['x'] }, { CN: ['system:node:b'] }] as JsonName,
  }));
  const request = await parseCertificateRequest(twoNames);
  assert.deepEqual([request.commonName, request.commonNames], ['', ['system:node:a', 'system:node:b']]);
  assert.deepEqual(request.otherSubjectAttributes, ['OU']);
  const strangeNames = await makeStrangeRequest(({ SubjectAlternativeNameExtension }) => ({
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: 'dn', value: 'CN=root' },
        { type: 'id', value: '1.2.3.4' },
        { type: 'upn', value: 'admin@example.com' },
      ]),
    ],
  }));
  assert.deepEqual((await parseCertificateRequest(strangeNames)).otherNames, ['dn', 'id', 'upn']);
});

test('two lists of alternative names, and lists that cannot be read, are refused', async (t) => {
  const san = (hex: string) => (x509: Awaited<ReturnType<typeof loadX509>>) => ({
    extensions: [new x509.Extension('2.5.29.17', false, Buffer.from(hex, 'hex'))],
  });
  const cases: [string, Parameters<typeof makeStrangeRequest>[0]][] = [
    [
      'two lists',
      ({ SubjectAlternativeNameExtension }) => ({
        extensions: [
          new SubjectAlternativeNameExtension([{ type: 'dns', value: 'a' }]),
          new SubjectAlternativeNameExtension([{ type: 'dns', value: 'kubernetes' }]),
        ],
      }),
    ],
    ['no list', san('0500')],
    ['an address of five bytes', san('300787050102030405')],
    ['a list that is cut', san('30078705010203')],
    ['a name with a NUL', san('30058203610062')],
    ['an empty name', san('30028200')],
  ];
  for (const [name, make] of cases) {
    await t.test(name, async () => {
      await assert.rejects(parseCertificateRequest(await makeStrangeRequest(make)), {
        name: 'CertificateRequestError',
      });
    });
  }
});

test('extensions that were asked for beyond names are not granted', async () => {
  const { cluster } = await openClusterPki();
  const requestPem = await makeStrangeRequest(
    ({ BasicConstraintsExtension, ExtendedKeyUsageExtension, KeyUsagesExtension, KeyUsageFlags }) => ({
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
        new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
      ],
    }),
  );
  const certificate = parseCertificate(
    await cluster.signRequest(requestPem, { usages: ['digital signature', 'client auth'] }),
  );
  assert.equal(certificate.isAuthority, false);
  assert.deepEqual([...certificate.x509.keyUsage], ['1.3.6.1.5.5.7.3.2']);
});
