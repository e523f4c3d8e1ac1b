import type { ApiClient } from '../client/client.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { CertificateAuthority } from '../pki/certificate-authority.ts';
import type { ControllerIdentity, ControllerName } from './controller-identities.ts';

export interface ControllersOptions {
  /** A client with the identity's certificate or token. It may be lazy: most controllers rarely write. */
  readonly connect: (identity: ControllerIdentity) => ApiClient;
  /** Signs client certificates; its certificate is published as `kube-root-ca.crt`. */
  readonly clusterAuthority: CertificateAuthority;
  /** Signs kubelets' serving certificates. */
  readonly kubeletServingAuthority: CertificateAuthority;
  /** Addresses no kubelet may have a certificate for: the API server's own, and the VIP. */
  readonly reservedAddresses?: readonly string[];
  /** @default all */
  readonly controllers?: readonly ControllerName[];
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}
