import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { openClusterPki } from './authority.ts';
import { parseCertificates } from './certificate.ts';
import { CertificateAuthority, createAuthorityCertificate } from './certificate-authority.ts';
import { encodePublicKey, generateKeyPair, type KeyPair } from './key.ts';
import { verifyChain } from './verify-chain.ts';
import { type CertificateUsage, createCertificate, readIssuerName } from './x509.ts';

const day = 86_400_000;
const now = Date.now();
const pki = await openClusterPki();
const roots = [pki.cluster.certificate];

const read = (pem: string) => new X509Certificate(pem);
const client = async (
  options: { authority?: CertificateAuthority; usages?: ('client' | 'server')[]; lifetimeMs?: number } = {},
) => {
  const { authority = pki.cluster, usages = ['client'], lifetimeMs = day } = options;
  return read((await authority.issue({ commonName: 'alice', usages, lifetimeMs })).certificatePem);
};

/** A certificate below `issuer` with everything chosen by hand. */
async function makeCertificate(
  issuer: { certificate: X509Certificate; keys: KeyPair },
  options: { isAuthority?: boolean; usages?: CertificateUsage[]; name?: string } = {},
) {
  const keys = generateKeyPair();
  const pem = await createCertificate({
    subject: { commonName: options.name ?? 'leaf' },
    publicKey: keys.publicKey,
    usages: options.usages ?? ['client auth'],
    notBeforeMs: now - day,
    notAfterMs: now + day,
    isAuthority: options.isAuthority ?? false,
    issuer: { ...(await readIssuerName(issuer.certificate.raw)), keys: issuer.keys },
  });
  return { certificate: read(pem), keys };
}

async function makeRoot(name = 'root') {
  const keys = generateKeyPair();
  return { certificate: read(await createAuthorityCertificate(name, keys, now)), keys };
}

test('a certificate of the authority is valid until it ends', async () => {
  const leaf = await client();
  const verdict = verifyChain([leaf], { authorities: roots, usage: 'client', nowMs: now });
  assert.deepEqual(verdict, { valid: true, notAfterMs: leaf.validToDate.getTime() });
});

test('wrong certificates are refused with the reason', async (t) => {
  const cases: [
    string,
    () => Promise<{ leaf: X509Certificate; nowMs?: number; usage?: 'client' | 'server' }>,
    RegExp,
  ][] = [
    [
      'of another authority',
      async () => ({ leaf: await client({ authority: (await openClusterPki()).cluster }) }),
      /unknown authority/,
    ],
    [
      'of the front-proxy authority',
      async () => ({ leaf: await client({ authority: pki.frontProxy }) }),
      /unknown authority/,
    ],
    ['for servers only', async () => ({ leaf: await client({ usages: ['server'] }) }), /may not be used as a client/],
    [
      'for clients only',
      async () => ({ leaf: await client(), usage: 'server' as const }),
      /may not be used as a server/,
    ],
    ['expired', async () => ({ leaf: await client(), nowMs: now + 2 * day }), /has expired/],
    ['not yet valid', async () => ({ leaf: await client(), nowMs: now - day }), /is not valid before/],
  ];
  for (const [name, make, reason] of cases) {
    await t.test(name, async () => {
      const { leaf, nowMs = now, usage = 'client' } = await make();
      const verdict = verifyChain([leaf], { authorities: roots, usage, nowMs });
      assert.ok(!verdict.valid);
      assert.match(verdict.reason, reason);
    });
  }
});

test('a chain leads over intermediates that the peer sends in any order', async () => {
  const root = await makeRoot();
  const first = await makeCertificate(root, { isAuthority: true, name: 'first' });
  const second = await makeCertificate(first, { isAuthority: true, name: 'second' });
  const { certificate: leaf } = await makeCertificate(second);
  const options = { authorities: [root.certificate], usage: 'client', nowMs: now } as const;
  assert.ok(verifyChain([leaf, first.certificate, second.certificate], options).valid);
  assert.ok(!verifyChain([leaf, second.certificate], options).valid);
});

test('a certificate that is no authority signs nothing', async () => {
  const root = await makeRoot();
  const user = await makeCertificate(root, { name: 'mallory' });
  const { certificate: leaf } = await makeCertificate(user, { name: 'system:admin' });
  const verdict = verifyChain([leaf, user.certificate], {
    authorities: [root.certificate],
    usage: 'client',
    nowMs: now,
  });
  assert.ok(!verdict.valid);
});

test('the name of an authority without its key is worth nothing', async () => {
  const impostor = await makeRoot('kubernetes');
  const { certificate: leaf } = await makeCertificate(impostor);
  assert.ok(!verifyChain([leaf, impostor.certificate], { authorities: roots, usage: 'client', nowMs: now }).valid);
});

test('a certificate without extended key usages may be used for anything, as in Go', async () => {
  const root = await makeRoot();
  const { certificate: leaf } = await makeCertificate(root, { usages: ['digital signature'] });
  assert.ok(verifyChain([leaf], { authorities: [root.certificate], usage: 'client', nowMs: now }).valid);
});

test('an expired authority proves nothing', async () => {
  const root = await makeRoot();
  const { certificate: leaf } = await makeCertificate(root);
  const verdict = verifyChain([leaf], { authorities: [root.certificate], usage: 'client', nowMs: now + 4000 * day });
  assert.ok(!verdict.valid);
});

test('no certificate and a heap of intermediates are refused', async () => {
  const options = { authorities: roots, usage: 'client', nowMs: now } as const;
  assert.deepEqual(verifyChain([], options), { valid: false, reason: 'no certificate was sent' });
  const leaf = await client();
  assert.ok(
    !verifyChain(
      Array.from({ length: 20 }, () => leaf),
      options,
    ).valid,
  );
});

test('the public key of an authority is written as it was made', async () => {
  const root = await makeRoot();
  assert.deepEqual(encodePublicKey(root.certificate.publicKey), encodePublicKey(root.keys.publicKey));
  assert.equal(new CertificateAuthority(root.certificate.toString(), root.keys).certificate.ca, true);
});

test('a signature over SHA-1 proves nothing', () => {
  // root and leaf of `openssl req -x509` and `openssl x509 -req -sha1`, valid until 2126
  const [root, leaf] = parseCertificates(sha1Pem);
  assert.ok(root && leaf);
  const verdict = verifyChain([leaf], { authorities: [root], usage: 'client', nowMs: Date.parse('2027-01-01') });
  assert.ok(!verdict.valid);
  assert.match(verdict.reason, /signed with .*sha1/i);
});

const sha1Pem = `-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUHWGoDRWw3MHl1g+fuajQ6sTUAT4wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjMyMzMyNDBaGA8yMTI2MTAzMDIzMzI0
MFowDzENMAsGA1UEAwwEcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABF4K
SosmuwwinJGrpKYHSoawAbLnnRxTrFrM+KOvYLJFJl9OWK6psDnaRi/N+f1yIroG
NcWaBGgTtTWGagXBu6ijUzBRMB0GA1UdDgQWBBTu1574Fh9MeS8gu8TTZYmlMOzw
EDAfBgNVHSMEGDAWgBTu1574Fh9MeS8gu8TTZYmlMOzwEDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIFT9TLCByePYmf3lnE8mNUItnS5bEVwyD52D
a+7mRAyhAiAwmppEYlxvh2BpkEe3Pjm9bf5dpdt04prz/VaUxoei/A==
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
MIIBGDCBwAIUWvV7svZ4QAVHih0S1aJPttzTigQwCQYHKoZIzj0EATAPMQ0wCwYD
VQQDDARyb290MCAXDTI2MTEyMzIzMzI0MFoYDzIxMjYxMDMwMjMzMjQwWjAPMQ0w
CwYDVQQDDARsZWFmMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErQ79LsXcrbPr
WN6Lsqam4iRcdKZSiIv07rTV7x+53epfuDmcEoXk9MkObTwLvPGnhkSOxgtHjYpW
2uZGCmDHhzAJBgcqhkjOPQQBA0gAMEUCIE1jz8VrpbX9OD8dLRJmE+3NZ53t0SLg
7yqVwePY4bLaAiEAuL6aB4176sqiqAmsCtwCF4g7MISu5cL9pWCqIxm1Cmg=
-----END CERTIFICATE-----
`;
