import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';

/** As many certificates as one chain may have; what a peer sends beyond is not looked at. */
const maxChainLength = 9;

const chains = new WeakMap<TLSSocket, readonly X509Certificate[]>();

/**
 * What the peer of a connection showed in its handshake, which is over, the leaf first; empty where it showed nothing. Nothing of it is verified.
 *
 * Only the older form of a peer's certificate leads on to those sent with it, a resumed session knows the leaf alone, and some Node
 * releases give servers nothing else (nodejs/node#65579): an intermediate that is in the bundle of CAs works always.
 */
export function peerChain(socket: TLSSocket): readonly X509Certificate[] {
  const known = chains.get(socket);
  if (known) return known;
  const chain: X509Certificate[] = [];
  // typed as always there, but it is `{}` or null where nothing was shown
  let next: Partial<DetailedPeerCertificate> | null | undefined = socket.getPeerCertificate(true);
  while (next?.raw && chain.length < maxChainLength) {
    const { raw, issuerCertificate }: Partial<DetailedPeerCertificate> = next;
    // a root names itself as its issuer
    if (chain.some((seen) => seen.raw.equals(raw))) break;
    chain.push(new X509Certificate(raw));
    next = issuerCertificate;
  }
  chains.set(socket, chain);
  return chain;
}
