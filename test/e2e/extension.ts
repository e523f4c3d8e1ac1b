import { dirname } from 'node:path';
import { openClusterPki } from '../../src/pki/authority.ts';
import type { CertificateAuthority } from '../../src/pki/certificate-authority.ts';
import type { Kubectl } from './kubectl.ts';

/** A webhook and extension API server that runs as a pod behind a Service `extension`, and who signed its certificate. */
export interface Extension {
  readonly namespace: string;
  /** base64 of PEM, for `caBundle`. */
  readonly caBundle: string;
  readonly authority: CertificateAuthority;
}

/** Starts it with kubectl and waits until the Service has its address. */
export async function startExtension(
  kubectl: Kubectl,
  { namespace, env = {} }: { namespace: string; env?: Readonly<Record<string, string>> },
): Promise<Extension> {
  const { cluster: authority } = await openClusterPki(); // any authority of the extension's own
  const { certificatePem, privateKeyPem } = await authority.issue({
    commonName: 'extension',
    dnsNames: [`extension.${namespace}.svc`],
    usages: ['server'],
  });
  const variables = { CERT: certificatePem, KEY: privateKeyPem, ...env };
  await kubectl.apply(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'extension', labels: { app: 'extension' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        // Where a container has a root of its own, it sees of the machine only what is mounted.
        volumes: [
          { name: 'node', hostPath: { path: dirname(process.execPath) } },
          { name: 'server', hostPath: { path: import.meta.dirname } },
        ],
        containers: [
          {
            name: 'server',
            image: 'node',
            command: ['/node/node', '/server/extension-server.mjs'],
            volumeMounts: [
              { name: 'node', mountPath: '/node', readOnly: true },
              { name: 'server', mountPath: '/server', readOnly: true },
            ],
            env: [
              { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              ...Object.entries(variables).map(([name, value]) => ({ name, value })),
            ],
            readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
          },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'extension' },
      spec: { selector: { app: 'extension' }, ports: [{ port: 443, targetPort: 8443 }] },
    },
  );
  await kubectl.run(['wait', '--for=condition=Ready', 'pod/extension', '--timeout=30s']);
  const ready = ['endpointslice', '-l', 'kubernetes.io/service-name=extension'];
  await kubectl.run(['wait', ...ready, '--for=jsonpath={.endpoints[0].conditions.ready}=true', '--timeout=30s']);
  return { namespace, authority, caBundle: Buffer.from(authority.certificatePem).toString('base64') };
}
