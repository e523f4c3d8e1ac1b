/** Who a controller is to the API server: the subject of its client certificate. */
export interface ControllerIdentity {
  /** The controller's name in logs and metrics, and for `--controllers`. */
  readonly name: string;
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** Controllers by the name `--controllers` uses, with the service account in kube-system whose rights they have. */
const serviceAccounts = {
  'serviceaccount-controller': 'service-account-controller',
  'root-ca-certificate-publisher-controller': 'root-ca-cert-publisher',
  'namespace-controller': 'namespace-controller',
  'garbage-collector-controller': 'generic-garbage-collector',
  'replicaset-controller': 'replicaset-controller',
  'replicationcontroller-controller': 'replication-controller',
  'deployment-controller': 'deployment-controller',
  'daemonset-controller': 'daemon-set-controller',
  'statefulset-controller': 'statefulset-controller',
  'job-controller': 'job-controller',
  'cronjob-controller': 'cronjob-controller',
  'ttl-after-finished-controller': 'ttl-after-finished-controller',
  'endpoints-controller': 'endpoint-controller',
  'endpointslice-controller': 'endpointslice-controller',
  'node-lifecycle-controller': 'node-controller',
  'node-ipam-controller': 'node-controller',
  'pod-garbage-collector-controller': 'pod-garbage-collector',
  'bootstrap-signer-controller': 'bootstrap-signer',
  'token-cleaner-controller': 'token-cleaner',
  'clusterrole-aggregation-controller': 'clusterrole-aggregation-controller',
  'certificatesigningrequest-approving-controller': 'certificate-controller',
  'certificatesigningrequest-signing-controller': 'certificate-controller',
  'certificatesigningrequest-cleaner-controller': 'certificate-controller',
} as const;

export type ControllerName = keyof typeof serviceAccounts;

/** Every controller's identity. Its rights are those of ClusterRole `system:controller:<service account>`. */
export const controllerIdentities: Readonly<Record<ControllerName, ControllerIdentity>> = Object.fromEntries(
  Object.entries(serviceAccounts).map(([name, account]) => [
    name,
    {
      name,
      commonName: `system:serviceaccount:kube-system:${account}`,
      organizations: ['system:serviceaccounts', 'system:serviceaccounts:kube-system'],
    },
  ]),
) as unknown as Record<ControllerName, ControllerIdentity>; // made from the same keys

/** Who reads for all controllers: the shared informers. */
export const managerIdentity: ControllerIdentity = {
  name: 'kube-controller-manager',
  commonName: 'system:kube-controller-manager',
  organizations: [],
};
