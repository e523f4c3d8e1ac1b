import type { Clock } from '../../lib/clock.ts';
import type { Certificate } from '../../pki/certificate.ts';
import type { Authentication, Authenticator } from '../authenticator.ts';
import { withAuthenticatedGroup } from '../groups.ts';
import { type AuthorityPool, VerifiedPeers } from './verified-peers.ts';

/**
 * Users by client certificate: CN is the name, each O a group, attribute 1.3.6.1.4.1.57683.2 the uid.
 * Source: k8s.io/apiserver `pkg/authentication/request/x509`.
 */
export function clientCertificateAuthenticator(options: { authorities: AuthorityPool; clock?: Clock }): Authenticator {
  const peers = new VerifiedPeers<Authentication>({ ...options, derive: identify });
  return {
    name: 'x509',
    authenticate({ socket }) {
      if (!socket) return { outcome: 'none' };
      const peer = peers.verify(socket);
      if (peer.state === 'valid') return peer.value;
      return peer.state === 'absent' ? { outcome: 'none' } : { outcome: 'rejected', error: peer.error };
    },
  };
}

function identify(certificate: Certificate, notAfterMs: number): Authentication {
  const { commonName, organizations, uids, fingerprint } = certificate;
  if (commonName === '') return { outcome: 'none' };
  const [uid = ''] = uids;
  if (uids.length > 1) throw new Error('more than one uid in the subject');
  if (uids.length === 1 && uid === '') throw new Error('an empty uid in the subject');
  return {
    outcome: 'authenticated',
    user: withAuthenticatedGroup({
      username: commonName,
      uid,
      groups: organizations,
      extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
    }),
    expiresAtMs: notAfterMs,
  };
}
