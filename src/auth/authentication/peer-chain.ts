import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** As many certificates as one chain may have; what a peer sends beyond is not looked at. */
const maxChainLength = 10;

const chains = new WeakMap<TLSSocket, readonly X509Certificate[]>();

/** What the peer of a connection showed, the leaf first; empty where it showed nothing. Nothing of it is verified. */
export function peerChain(socket: TLSSocket): readonly X509Certificate[] {
  const known = chains.get(socket);
  if (known) return known;
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  // a self-signed certificate names itself as its issuer
  while (next && chain.length < maxChainLength && !chain.some((seen) => seen.raw.equals(next?.raw ?? seen.raw))) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  // not kept while the handshake is under way
  if (chain.length > 0) chains.set(socket, chain);
  return chain;
}
