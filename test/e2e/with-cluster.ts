import { after, before, describe } from 'node:test';
import { type FairleadProcess, startUp } from './fairlead-process.ts';
import { Kubectl } from './kubectl.ts';
import { findKubectls } from './kubectl-binaries.ts';

export interface Fixture {
  /** This version's kubectl, in a namespace of its own. Valid inside tests and hooks. */
  readonly kubectl: Kubectl;
  readonly namespace: string;
  readonly cluster: FairleadProcess;
}

/** One cluster for the file, and `suite` once for each kubectl at hand, each in a namespace of its own. */
export function describeWithKubectls(name: string, suite: (fixture: Fixture) => void): void {
  describe(name, () => {
    let cluster: FairleadProcess | undefined;
    before(async () => {
      cluster = await startUp();
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    const binaries = findKubectls();
    if (binaries.length === 0) {
      describe.skip('no kubectl: the npm packages that carry it are for Linux on x64, and none is on PATH', () => {});
    }
    for (const binary of binaries) {
      describe(`kubectl 1.${binary.minor}`, () => {
        const namespace = `v1-${binary.minor}`;
        let kubectl: Kubectl | undefined;
        before(async () => {
          if (!cluster) throw new Error('The cluster has not started');
          kubectl = new Kubectl(binary, { kubeconfig: cluster.kubeconfig, namespace });
          await kubectl.run(['create', 'namespace', namespace]);
          // A pod needs its namespace's service account and root certificate. Older versions cannot wait for creation.
          using newest = new Kubectl(binaries.at(-1) ?? binary, { kubeconfig: cluster.kubeconfig, namespace });
          await newest.run([
            'wait',
            '--for=create',
            'serviceaccount/default',
            'configmap/kube-root-ca.crt',
            '--timeout=30s',
          ]);
        });
        after(() => kubectl?.[Symbol.dispose]());
        suite({
          namespace,
          get kubectl() {
            if (!kubectl) throw new Error('Only inside tests');
            return kubectl;
          },
          get cluster() {
            if (!cluster) throw new Error('Only inside tests');
            return cluster;
          },
        });
      });
    }
  });
}

/** A container that runs a shell command, on the runtime of the quick start. */
export function shellContainer(name: string, script: string, more: object = {}): object {
  return { name, image: 'busybox', command: ['sh', '-c', script], ...more };
}

export function podManifest(name: string, containers: readonly object[], spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers, ...spec },
  };
}

export function deploymentManifest(name: string, replicas: number, containers: readonly object[]): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 1, containers } },
    },
  };
}

/** Waits for its signal and ends at once on it. */
export const sleeper = 'trap "exit 0" TERM; while :; do sleep 1 & wait $!; done';
