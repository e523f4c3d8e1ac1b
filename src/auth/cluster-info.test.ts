import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import {
  clusterInfoSignatureKey,
  parseClusterInfoSignatureKey,
  signClusterInfo,
  verifyClusterInfo,
} from './cluster-info.ts';

const token = { id: 'abcdef', secret: '0123456789abcdef' };
const kubeconfig = 'apiVersion: v1\nkind: Config\n';

test('a signature is the detached compact JWS of RFC 7515', () => {
  const signature = signClusterInfo(kubeconfig, token);
  const [header = '', payload, mac] = signature.split('.');
  assert.equal(Buffer.from(header, 'base64url').toString(), '{"alg":"HS256","kid":"abcdef"}');
  assert.equal(payload, '');
  const text = `${header}.${Buffer.from(kubeconfig).toString('base64url')}`;
  assert.equal(mac, createHmac('sha256', token.secret).update(text).digest('base64url'));
});

test('only the holder of the token signs, and only this text', () => {
  const signature = signClusterInfo(kubeconfig, token);
  assert.equal(verifyClusterInfo(kubeconfig, signature, token), true);
  assert.equal(verifyClusterInfo(`${kubeconfig} `, signature, token), false);
  assert.equal(verifyClusterInfo(kubeconfig, signature, { ...token, secret: '0123456789abcdee' }), false);
  assert.equal(verifyClusterInfo(kubeconfig, signature, { ...token, id: 'ghijkl' }), false);
  const none = `${Buffer.from('{"alg":"none","kid":"abcdef"}').toString('base64url')}..`;
  for (const forged of ['', '..', none, `${signature}A`, signature.slice(0, -1)]) {
    assert.equal(verifyClusterInfo(kubeconfig, forged, token), false);
  }
});

test('signatures lie under the token’s id', () => {
  assert.equal(clusterInfoSignatureKey('abcdef'), 'jws-kubeconfig-abcdef');
  assert.equal(parseClusterInfoSignatureKey('jws-kubeconfig-abcdef'), 'abcdef');
  assert.equal(parseClusterInfoSignatureKey('kubeconfig'), undefined);
});
