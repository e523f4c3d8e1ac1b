import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openClusterPki } from './authority.ts';
import { parseCertificate } from './certificate.ts';
import { createAuthorityCertificate } from './certificate-authority.ts';
import {
  ensureClientCertificate,
  ensureFrontProxyCertificate,
  ensureServingCertificate,
} from './control-plane-certificates.ts';
import { formatPrivateKey, generateKeyPair } from './key.ts';
import { verifyChain } from './verify-chain.ts';

const day = 86_400_000;

async function makeDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-pki-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'pki');
}

const clockAt = (ms: number) => ({ now: () => ms, delay: () => Promise.resolve() });

test('the first start makes three authorities and the token key, the next finds them', async (t) => {
  const directory = await makeDirectory(t);
  const first = await openClusterPki({ directory });
  const second = await openClusterPki({ directory });
  for (const role of ['cluster', 'kubeletServing', 'frontProxy'] as const) {
    assert.equal(second[role].certificatePem, first[role].certificatePem);
    assert.ok(first[role].certificate.ca);
  }
  assert.equal(second.serviceAccountKey.keyId, first.serviceAccountKey.keyId);
  assert.equal(new Set([first.cluster.pin, first.kubeletServing.pin, first.frontProxy.pin]).size, 3);
  assert.equal(parseCertificate(first.cluster.certificatePem).commonName, 'kubernetes');
});

test('files are their owner’s alone', async (t) => {
  const directory = await makeDirectory(t);
  await openClusterPki({ directory });
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  const names = await readdir(directory);
  assert.deepEqual(
    names.filter((name) => name.endsWith('.tmp')),
    [],
  );
  for (const name of names) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name);
});

test('what is there and does not fit is an error and stays as it is', async (t) => {
  const cases: [string, string, string, RegExp][] = [
    [
      'key of another certificate',
      'ca.key',
      formatPrivateKey(generateKeyPair().privateKey),
      /ca\.crt: the key does not belong/,
    ],
    ['broken key', 'front-proxy-ca.key', 'SECRET-BYTES', /front-proxy-ca\.key holds no private key/],
    ['broken certificate', 'kubelet-serving-ca.crt', 'nothing', /kubelet-serving-ca\.crt: it holds no certificate/],
    ['broken token key', 'sa.key', 'SECRET-BYTES', /sa\.key holds no private key/],
  ];
  for (const [name, file, content, message] of cases) {
    await t.test(name, async (t) => {
      const directory = await makeDirectory(t);
      await openClusterPki({ directory });
      const path = join(directory, file);
      await writeFile(path, content);
      await assert.rejects(openClusterPki({ directory }), (error: Error) => {
        assert.equal(error.name, 'ConfigError');
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.stack} ${error.cause}`, /SECRET-BYTES/);
        return true;
      });
      assert.equal(await readFile(path, 'utf8'), content);
    });
  }
});

test('a certificate whose key is gone is an error; a key whose certificate was never written gets one', async (t) => {
  const directory = await makeDirectory(t);
  const { cluster } = await openClusterPki({ directory });
  await rm(join(directory, 'ca.crt'));
  const again = await openClusterPki({ directory });
  assert.equal(again.cluster.pin, cluster.pin);
  await rm(join(directory, 'ca.key'));
  await assert.rejects(openClusterPki({ directory }), { name: 'ConfigError', message: /ca\.key is missing/ });
});

test('a file that may not be read is an error', {
  skip: process.getuid?.() === 0 && 'root reads everything',
}, async (t) => {
  const directory = await makeDirectory(t);
  await openClusterPki({ directory });
  await chmod(join(directory, 'ca.key'), 0);
  await assert.rejects(openClusterPki({ directory }), { name: 'ConfigError', message: /Cannot read .*ca\.key/ });
});

test('an expired authority is an error', async (t) => {
  const directory = await makeDirectory(t);
  await openClusterPki({ directory, clock: clockAt(Date.now() - 4000 * day) });
  await assert.rejects(openClusterPki({ directory }), { name: 'ConfigError', message: /has expired/ });
});

test('a leaf certificate is kept while it is good and made anew when it is not', async (t) => {
  const directory = await makeDirectory(t);
  const pki = await openClusterPki({ directory });
  const names = { hostName: 'laptop', serviceAddress: '10.96.0.1', advertiseAddress: '192.0.2.7' };
  const first = await ensureServingCertificate(pki, names);
  assert.deepEqual(await ensureServingCertificate(pki, names), first);
  const other = await ensureServingCertificate(pki, { ...names, extraNames: ['api.example.com', '2001:0db8::0001'] });
  assert.notEqual(other.certificatePem, first.certificatePem);
  const { dnsNames, ipAddresses } = parseCertificate(other.certificatePem);
  assert.ok(dnsNames.includes('api.example.com') && dnsNames.includes('kubernetes.default.svc.cluster.local'));
  assert.deepEqual([...ipAddresses].sort(), ['10.96.0.1', '127.0.0.1', '192.0.2.7', '2001:db8::1', '::1']);

  const admin = await ensureClientCertificate(pki, 'admin');
  const late = { clock: clockAt(Date.now() + 200 * day) };
  assert.equal((await ensureClientCertificate(pki, 'admin', late)).certificatePem, admin.certificatePem);
  const later = { clock: clockAt(Date.now() + 250 * day) };
  assert.notEqual((await ensureClientCertificate(pki, 'admin', later)).certificatePem, admin.certificatePem);
});

test('a leaf certificate of another authority is made anew', async (t) => {
  const [one, two] = [await makeDirectory(t), await makeDirectory(t)];
  const pki = await openClusterPki({ directory: one });
  const other = await openClusterPki({ directory: two });
  const stale = await ensureClientCertificate(pki, 'scheduler');
  await ensureClientCertificate(other, 'scheduler');
  await writeFile(join(two, 'scheduler.crt'), stale.certificatePem);
  await writeFile(join(two, 'scheduler.key'), stale.privateKeyPem);
  assert.notEqual((await ensureClientCertificate(other, 'scheduler')).certificatePem, stale.certificatePem);
});

test('the front-proxy certificate is signed by its own authority', async () => {
  const pki = await openClusterPki();
  const { x509, commonName } = parseCertificate((await ensureFrontProxyCertificate(pki)).certificatePem);
  assert.equal(commonName, 'front-proxy-client');
  assert.ok(x509.verify(pki.frontProxy.certificate.publicKey));
  assert.ok(!x509.verify(pki.cluster.certificate.publicKey));
});

test('an operator’s own RSA authority signs too', async (t) => {
  const directory = await makeDirectory(t);
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await mkdir(directory);
  await writeFile(join(directory, 'ca.key'), formatPrivateKey(keys.privateKey));
  await writeFile(join(directory, 'ca.crt'), await createAuthorityCertificate('kubernetes', keys, Date.now()));
  const { cluster } = await openClusterPki({ directory });
  const { certificatePem } = await cluster.issue({ commonName: 'alice', usages: ['client'] });
  const options = { authorities: [cluster.certificate], usage: 'client', nowMs: Date.now() } as const;
  assert.ok(verifyChain([new X509Certificate(certificatePem)], options).valid);
});
