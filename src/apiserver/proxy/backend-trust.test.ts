import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateAuthority, createAuthorityCertificate } from '../../pki/certificate-authority.ts';
import { generateKeyPair } from '../../pki/key.ts';
import { caBundleAnnotation, serverNameAnnotation } from './backend-trust.ts';
import { openProxyBed, type ProxyBed } from './proxy-suite.ts';

const pods = '/api/v1/namespaces/default/pods';
const services = '/api/v1/namespaces/default/services';

async function createAuthority(name: string) {
  const keys = generateKeyPair();
  const certificate = await createAuthorityCertificate(name, keys, Date.now());
  return { pem: certificate, ca: new CertificateAuthority(certificate, keys) };
}

/** A service `web` and its pod, which speak TLS with a certificate for `web.default.svc`. */
async function openTlsBed(
  config: Parameters<typeof openProxyBed>[0],
  options: { service?: object; pod?: object } = {},
): Promise<ProxyBed & { readonly caPem: string }> {
  const { ca, pem } = await createAuthority('backends');
  const tls = await ca.issue({ commonName: 'web', dnsNames: ['web.default.svc'], usages: ['server'] });
  const withCa = (annotations: object = {}) =>
    Object.fromEntries(Object.entries(annotations).map(([key, value]) => [key, value === 'CA' ? pem : value]));
  const bed = await openProxyBed(config);
  await bed.createPod('web', '10.244.1.5', { annotations: withCa(options.pod) });
  await bed.createService('web', {
    ports: [{ port: 443, target: 8443 }],
    endpoints: [{ address: '10.244.1.5', pod: 'web' }],
    annotations: withCa(options.service),
  });
  await bed.serve('10.244.1.5:8443', (_request, response) => response.end('ok'), { tls });
  return Object.assign(bed, { caPem: pem });
}

async function ask(bed: ProxyBed, path: string) {
  const { status, headers, bytes } = await bed.server.request({ path });
  return { status, warning: String(headers['warning'] ?? ''), body: bytes.toString() };
}

test('https without an authority is not verified, as upstream, and the answer says so', async () => {
  await using bed = await openTlsBed({});
  for (const path of [`${services}/https:web:443/proxy/`, `${pods}/https:web:8443/proxy/`]) {
    const { status, warning, body } = await ask(bed, path);
    assert.deepEqual([status, body], [200, 'ok']);
    assert.match(warning, /reached by TLS without verification/);
  }
  const metrics = await bed.server.request({ path: '/metrics' });
  assert.match(
    metrics.bytes.toString(),
    /fairlead_apiserver_proxy_requests_total\{resource="services",transport="unverified",upgrade="false"\} 1/,
  );
});

test("a service's annotation has its pods verified by the service's name, also where no scheme is given", async () => {
  await using bed = await openTlsBed({ proxy: { strict: true } }, { service: { [caBundleAnnotation]: 'CA' } });
  for (const path of [`${services}/https:web:443/proxy/`, `${services}/web:443/proxy/`]) {
    assert.deepEqual(await ask(bed, path), { status: 200, warning: '', body: 'ok' });
  }
});

test('a pod is verified by its address, or by the name that it is annotated with', async () => {
  await using bed = await openTlsBed(
    {},
    { pod: { [caBundleAnnotation]: 'CA', [serverNameAnnotation]: 'web.default.svc' } },
  );
  assert.deepEqual(await ask(bed, `${pods}/https:web:8443/proxy/`), { status: 200, warning: '', body: 'ok' });
  await using other = await openTlsBed({}, { pod: { [caBundleAnnotation]: 'CA' } });
  const refused = await ask(other, `${pods}/https:web:8443/proxy/`);
  assert.equal(refused.status, 503);
  assert.match(
    refused.body,
    /10\.244\.1\.5:8443: tls: the certificate is for DNS:web\.default\.svc, not for 10\.244\.1\.5/,
  );
});

test('a backend of another authority or another name is refused, and nothing is sent to it', async () => {
  const stranger = await createAuthority('strangers');
  await using bed = await openTlsBed({}, { service: { [caBundleAnnotation]: stranger.pem } });
  const foreign = await ask(bed, `${services}/https:web:443/proxy/`);
  assert.equal(foreign.status, 503);
  assert.match(foreign.body, /error trying to reach service: 10\.244\.1\.5:8443: tls: unable to verify/);
  await using named = await openTlsBed(
    {},
    { service: { [caBundleAnnotation]: 'CA', [serverNameAnnotation]: 'other.default.svc' } },
  );
  assert.equal((await ask(named, `${services}/https:web:443/proxy/`)).status, 503);
});

test('an annotation that holds no certificate is an error, not a reason to verify nothing', async () => {
  await using bed = await openTlsBed({}, { service: { [caBundleAnnotation]: 'rubbish' } });
  const answer = await ask(bed, `${services}/https:web:443/proxy/`);
  assert.equal(answer.status, 500);
  assert.match(answer.body, /holds no certificate that can be read/);
  assert.deepEqual(bed.dialled, []);
});

test("the cluster's authority verifies backends that have none of their own", async () => {
  const { ca, pem } = await createAuthority('cluster');
  const tls = await ca.issue({ commonName: 'web', dnsNames: ['web.default.svc'], usages: ['server'] });
  await using bed = await openProxyBed({ proxy: { strict: true, certificateAuthorityPem: pem } });
  await bed.createPod('web', '10.244.1.5');
  const endpoints = [{ address: '10.244.1.5', pod: 'web' }];
  await bed.createService('web', { ports: [{ port: 443, target: 8443 }], endpoints });
  await bed.createService('web2', { ports: [{ port: 443, target: 8443 }], endpoints });
  await bed.serve('10.244.1.5:8443', (_request, response) => response.end('ok'), { tls });
  assert.equal((await ask(bed, `${services}/https:web:443/proxy/`)).status, 200);
  assert.equal((await ask(bed, `${services}/https:web2:443/proxy/`)).status, 503);
});

test('a strict server refuses what would be plain or unverified before it dials', async () => {
  await using bed = await openTlsBed({ proxy: { strict: true } });
  for (const path of [
    `${services}/web:443/proxy/`,
    `${services}/http:web:443/proxy/`,
    `${services}/https:web:443/proxy/`,
    `${pods}/web:8443/proxy/`,
    `${pods}/https:web:8443/proxy/`,
    '/api/v1/nodes/n1:9100/proxy/',
    '/api/v1/nodes/https:n1:9100/proxy/',
  ]) {
    const answer = await ask(bed, path);
    assert.equal(answer.status, 403, path);
    assert.match(answer.body, /--proxy-strict/);
  }
  assert.deepEqual(bed.dialled, []);
});
