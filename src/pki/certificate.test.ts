import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClusterPki } from './authority.ts';
import {
  canonicalAddress,
  certificatePin,
  parseCertificate,
  parseCertificates,
  rotationDeadlineMs,
} from './certificate.ts';

const { cluster } = await openClusterPki();

test('a subject is read unescaped: a value cannot add a group', async () => {
  const commonName = 'alice\nO=system:masters, O=x + O=y';
  const { certificatePem } = await cluster.issue({
    commonName,
    organizations: ['a, b', 'c+d', 'é'],
    usages: ['client'],
  });
  const certificate = parseCertificate(certificatePem);
  assert.equal(certificate.commonName, commonName);
  assert.deepEqual(certificate.organizations, ['a, b', 'c+d', 'é']);
});

test('alternative names are read one by one: a name cannot add another', async () => {
  const dnsNames = ['a.example', 'b, DNS:kubernetes', 'c", IP Address:10.0.0.1'];
  const { certificatePem } = await cluster.issue({
    commonName: 'x',
    dnsNames,
    ipAddresses: ['::1', '192.0.2.1'],
    usages: ['server'],
  });
  const certificate = parseCertificate(certificatePem);
  assert.deepEqual(certificate.dnsNames, dnsNames);
  assert.deepEqual(certificate.ipAddresses, ['::1', '192.0.2.1']);
});

test('fingerprint, pin and validity are those of the certificate', async () => {
  const { certificatePem } = await cluster.issue({ commonName: 'x', usages: ['client'], lifetimeMs: 3_600_000 });
  const certificate = parseCertificate(certificatePem);
  assert.match(certificate.fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(certificate.notAfterMs - certificate.notBeforeMs, 3_900_000);
  assert.equal(certificatePin(cluster.certificatePem), cluster.pin);
});

test('a bundle is read in order, with text between', async () => {
  const { certificatePem } = await cluster.issue({ commonName: 'x', usages: ['client'] });
  const bundle = parseCertificates(`# first\n${certificatePem}# second\n${cluster.certificatePem}`);
  assert.deepEqual(
    bundle.map(({ ca }) => ca),
    [false, true],
  );
  assert.deepEqual(parseCertificates(''), []);
});

test('renewal is due at 70 to 90 percent of the life', () => {
  const life = { notBeforeMs: 1000, notAfterMs: 2000 };
  assert.equal(
    rotationDeadlineMs(life, () => 0),
    1700,
  );
  assert.equal(
    rotationDeadlineMs(life, () => 0.999999),
    1900,
  );
});

test('addresses have one spelling', () => {
  assert.equal(canonicalAddress('0:0:0:0:0:0:0:1'), '::1');
  assert.equal(canonicalAddress('2001:DB8::0001'), '2001:db8::1');
  assert.equal(canonicalAddress('10.0.0.1'), '10.0.0.1');
  assert.equal(canonicalAddress('node'), 'node');
});
