import { join } from 'node:path';
import type { ApiClient } from '../client/client.ts';
import { connectApi } from '../client/connect.ts';
import { deferredClient } from '../client/deferred-client.ts';
import type { ControllerIdentity } from '../controllers/controller-identities.ts';
import { runControllers } from '../controllers/run-controllers.ts';
import { runScheduler } from '../controllers/scheduler/run-scheduler.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { ClusterPki } from '../pki/authority.ts';
import type { IssuedCertificate } from '../pki/certificate-authority.ts';
import { ensureCertificate } from '../pki/control-plane-certificates.ts';
import { RenewingCertificate } from './renewing-certificate.ts';

export interface ControllersConfig {
  readonly server: string;
  readonly pki: ClusterPki;
  /** Addresses that no kubelet may have a certificate for. */
  readonly reservedAddresses: readonly string[];
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

const schedulerIdentity: ControllerIdentity = {
  name: 'kube-scheduler',
  commonName: 'system:kube-scheduler',
  organizations: [],
};

/** Controllers and scheduler as clients of the API server, each with a certificate of its own that is renewed while they run. */
export async function startControllers(config: ControllersConfig): Promise<AsyncDisposable> {
  const { server, pki, log, clock, metrics } = config;
  await using parts = new AsyncDisposableStack();
  // Certificates are made when their owner first calls, so that this outlives all that uses them.
  const certificates = parts.use(new AsyncDisposableStack());
  const connect = (identity: ControllerIdentity): ApiClient =>
    deferredClient(server, async () => {
      const certificate = await RenewingCertificate.open(() => issue(pki, identity, clock), { clock, log });
      certificates.use(certificate);
      return connectApi({
        server,
        ca: pki.cluster.certificatePem,
        certificate: () => toClientCertificate(certificate.current),
        userAgent: `fairlead/${identity.name}`,
        log,
      });
    });
  const controllers = runControllers({
    connect,
    clusterAuthority: pki.cluster,
    kubeletServingAuthority: pki.kubeletServing,
    reservedAddresses: config.reservedAddresses,
    clock,
    log: log.with({ component: 'controllers' }),
    metrics,
  });
  parts.use(controllers);
  const scheduler = parts.use(
    runScheduler({ client: connect(schedulerIdentity), clock, log: log.with({ component: 'scheduler' }), metrics }),
  );
  await Promise.all([controllers.ready, scheduler.ready]);

  const owned = parts.move();
  return { [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function issue(
  pki: ClusterPki,
  { name, commonName, organizations }: ControllerIdentity,
  clock: Clock,
): Promise<IssuedCertificate> {
  const path = pki.directory === undefined ? undefined : join(pki.directory, 'controllers', name);
  return ensureCertificate(path, pki.cluster, { commonName, organizations, usages: ['client'] }, { clock });
}

function toClientCertificate(issued: IssuedCertificate | undefined): { certificate: string; key: string } | undefined {
  return issued && { certificate: issued.certificatePem, key: issued.privateKeyPem };
}
