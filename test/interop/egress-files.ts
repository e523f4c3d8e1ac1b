import { join } from 'node:path';

export const egressTransports = ['GRPC UDS', 'HTTPConnect UDS', 'HTTPConnect mTLS'] as const;
export type EgressTransport = (typeof egressTransports)[number];

export interface EgressFileOptions {
  readonly transport: EgressTransport;
  /** Of the certificates' files. */
  readonly directory: string;
  /** The proxy server's socket, or its port where it listens on TCP. */
  readonly udsPath: string | undefined;
  readonly port: number;
}

/** An `EgressSelectorConfiguration` that sends what goes to the cluster through one proxy server. */
export function egressFile({ transport, directory, udsPath, port }: EgressFileOptions): string {
  const file = (name: string) => JSON.stringify(join(directory, name));
  const tls = `{ caBundle: ${file('ca.crt')}, clientCert: ${file('client.crt')}, clientKey: ${file('client.key')} }`;
  const place =
    transport === 'HTTPConnect mTLS'
      ? `tcp: { url: 'https://127.0.0.1:${port}', tlsConfig: ${tls} }`
      : `uds: { udsName: ${JSON.stringify(udsPath)} }`;
  return `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: ${transport === 'GRPC UDS' ? 'GRPC' : 'HTTPConnect'}
    transport: { ${place} }
`;
}
