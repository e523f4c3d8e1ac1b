import { startBootstrapSigner } from './bootstrap-signer.ts';
import { startClusterRoleAggregation } from './cluster-role-aggregation.ts';
import type { StartController } from './controller.ts';
import type { ControllerName } from './controller-identities.ts';
import type { ControllersOptions } from './controllers-options.ts';
import { csrApprover } from './csr/approving.ts';
import { startCsrCleaner } from './csr/cleaning.ts';
import { csrSigner } from './csr/signing.ts';
import { startDaemonSetController } from './daemon-set.ts';
import { startDeploymentController } from './deployment/deployment.ts';
import { startEndpointSliceController } from './endpoint-slices.ts';
import { startEndpointsController } from './endpoints.ts';
import { startGarbageCollector } from './garbage-collector/garbage-collector.ts';
import { startJobController } from './job/job.ts';
import { startTtlAfterFinished } from './job/ttl-after-finished.ts';
import { startNamespaceController } from './namespace-deletion.ts';
import { startNodeIpamController } from './node-ipam.ts';
import { startNodeLifecycleController } from './node-lifecycle.ts';
import { startPodGarbageCollector } from './pod-gc.ts';
import { startReplicaSetController, startReplicationController } from './replica-set.ts';
import { rootCaPublisher } from './root-ca-publisher.ts';
import { startServiceAccountController } from './service-account.ts';
import { startStatefulSetController } from './stateful-set/stateful-set.ts';
import { startTokenCleaner } from './token-cleaner.ts';

/** Every controller by its name, in the order they start. */
export function builtInControllers(options: ControllersOptions): Partial<Record<ControllerName, StartController>> {
  return {
    'serviceaccount-controller': startServiceAccountController,
    'root-ca-certificate-publisher-controller': rootCaPublisher({
      certificatePem: options.clusterAuthority.certificatePem,
    }),
    'namespace-controller': startNamespaceController,
    'replicaset-controller': startReplicaSetController,
    'replicationcontroller-controller': startReplicationController,
    'deployment-controller': startDeploymentController,
    'daemonset-controller': startDaemonSetController,
    'statefulset-controller': startStatefulSetController,
    'job-controller': startJobController,
    'ttl-after-finished-controller': startTtlAfterFinished,
    'endpoints-controller': startEndpointsController,
    'endpointslice-controller': startEndpointSliceController,
    'node-lifecycle-controller': startNodeLifecycleController,
    'node-ipam-controller': startNodeIpamController,
    'certificatesigningrequest-approving-controller': csrApprover({
      reservedAddresses: options.reservedAddresses ?? [],
    }),
    'certificatesigningrequest-signing-controller': csrSigner({
      cluster: options.clusterAuthority,
      kubeletServing: options.kubeletServingAuthority,
    }),
    'certificatesigningrequest-cleaner-controller': startCsrCleaner,
    'pod-garbage-collector-controller': startPodGarbageCollector,
    'bootstrap-signer-controller': startBootstrapSigner,
    'token-cleaner-controller': startTokenCleaner,
    'clusterrole-aggregation-controller': startClusterRoleAggregation,
    // The last: it shares the informers that others have asked for.
    'garbage-collector-controller': startGarbageCollector,
  };
}
