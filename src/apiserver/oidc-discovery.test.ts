import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { generateKeyPair } from '../pki/key.ts';
import { toSigningKey } from '../pki/signing-key.ts';
import type { RequestContext } from './exchange.ts';
import { oidcDiscoveryHandlers } from './oidc-discovery.ts';

const issuer = 'https://kubernetes.default.svc.cluster.local';
const key = toSigningKey(generateKeyPair());

async function get(path: string) {
  const handlers = oidcDiscoveryHandlers({ issuer, jwksUri: 'https://192.0.2.1:6443/openid/v1/jwks', keys: [key] });
  const answers: { status: number; headers: object; body: string }[] = [];
  const exchange = {
    respond: (status: number, headers: object, body: string) => answers.push({ status, headers, body }),
  };
  await handlers.get(path)?.({ exchange } as unknown as RequestContext); // nothing else of it is used
  const [answer] = answers;
  return answer ?? assert.fail('no answer');
}

test('the configuration names issuer, keys and algorithms', async () => {
  const { status, headers, body } = await get('/.well-known/openid-configuration');
  assert.equal(status, 200);
  assert.deepEqual(headers, { 'content-type': 'application/json', 'cache-control': 'public, max-age=3600' });
  assert.deepEqual(JSON.parse(body), {
    issuer,
    jwks_uri: 'https://192.0.2.1:6443/openid/v1/jwks',
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
});

test('the key set holds public keys and no private part', async () => {
  const { headers, body } = await get('/openid/v1/jwks');
  assert.equal((headers as Record<string, string>)['content-type'], 'application/jwk-set+json');
  const [jwk] = JSON.parse(body).keys;
  assert.deepEqual(Object.keys(jwk).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  assert.deepEqual([jwk.use, jwk.alg, jwk.kid], ['sig', 'ES256', key.keyId]);
  assert.ok(createPublicKey({ key: jwk, format: 'jwk' }).equals(key.publicKey));
});

test('an issuer that is no plain https URL publishes nothing', () => {
  for (const other of [
    'kubernetes/serviceaccount',
    'http://issuer.example',
    'https://issuer.example?x',
    'https://issuer.example#',
  ]) {
    assert.equal(oidcDiscoveryHandlers({ issuer: other, jwksUri: '', keys: [key] }).size, 0);
  }
});
