import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeObject } from './decode.ts';
import { imageTag } from './defaults/pod-spec.ts';
import { applyDefaults } from './defaults.ts';
import type { GroupVersionKind, JsonObject } from './object.ts';
import { sampleObject } from './sample-object.ts';
import { scheme } from './scheme.ts';

function defaulted(gvk: GroupVersionKind, value: object): JsonObject {
  return applyDefaults(decodeObject(value, { gvk, fieldValidation: 'Strict' }).object, gvk);
}

const podSpec = {
  restartPolicy: 'Always',
  dnsPolicy: 'ClusterFirst',
  schedulerName: 'default-scheduler',
  terminationGracePeriodSeconds: 30,
  securityContext: {},
};

const container = {
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
};

test('a pod gets what upstream gives it', () => {
  const pod = defaulted(
    { group: '', version: 'v1', kind: 'Pod' },
    {
      spec: {
        hostNetwork: true,
        containers: [
          {
            name: 'c',
            image: 'nginx:1.2',
            ports: [{ containerPort: 80 }],
            resources: { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '1' } },
            livenessProbe: { httpGet: { port: 80 } },
          },
        ],
        volumes: [{ name: 'a' }, { name: 'b', secret: { secretName: 's' } }, { name: 'c', hostPath: { path: '/' } }],
      },
    },
  );
  assert.deepEqual(pod['spec'], {
    ...podSpec,
    hostNetwork: true,
    enableServiceLinks: true,
    containers: [
      {
        ...container,
        name: 'c',
        image: 'nginx:1.2',
        imagePullPolicy: 'IfNotPresent',
        ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
        resources: { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } },
        livenessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
      },
    ],
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'b', secret: { secretName: 's', defaultMode: 420 } },
      { name: 'c', hostPath: { path: '/', type: '' } },
    ],
  });
});

test('a deployment gets its own defaults and those of its template', () => {
  const deployment = defaulted(
    { group: 'apps', version: 'v1', kind: 'Deployment' },
    { spec: { selector: {}, template: { spec: { containers: [{ name: 'c', image: 'nginx' }] } } } },
  );
  assert.deepEqual(deployment['spec'], {
    selector: {},
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    template: {
      metadata: {},
      spec: {
        ...podSpec,
        containers: [{ ...container, name: 'c', image: 'nginx', imagePullPolicy: 'Always', resources: {} }],
      },
    },
  });
});

test('text written to a secret becomes data', () => {
  const secret = defaulted(
    { group: '', version: 'v1', kind: 'Secret' },
    { data: { a: 'eA==', b: 'eA==' }, stringData: { a: 'hi' } },
  );
  assert.deepEqual(secret['data'], { a: 'aGk=', b: 'eA==' });
  assert.equal(secret['type'], 'Opaque');
  assert.equal(secret['stringData'], undefined);
});

test('a service says what it is', () => {
  const gvk = { group: '', version: 'v1', kind: 'Service' };
  assert.deepEqual(defaulted(gvk, { spec: { ports: [{ port: 80 }], sessionAffinity: 'ClientIP' } })['spec'], {
    type: 'ClusterIP',
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
    internalTrafficPolicy: 'Cluster',
    ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
  });
  assert.deepEqual(defaulted(gvk, { spec: { type: 'ExternalName', externalName: 'x' } })['spec'], {
    type: 'ExternalName',
    externalName: 'x',
    sessionAffinity: 'None',
  });
});

test('defaulting twice changes nothing', () => {
  for (const info of scheme.resources) {
    for (const value of [{}, sampleObject(info.model)]) {
      const once = applyDefaults({ metadata: { name: 'a' }, ...structuredClone(value) }, info);
      const twice = applyDefaults(structuredClone(once), info);
      assert.deepEqual(twice, once, `${info.group}/${info.version} ${info.kind}`);
    }
  }
});

test('the tag of an image is found behind registries with ports', () => {
  assert.equal(imageTag('nginx'), 'latest');
  assert.equal(imageTag('localhost:5000/nginx'), 'latest');
  assert.equal(imageTag('localhost:5000/nginx:1'), '1');
  assert.equal(imageTag('nginx@sha256:0123'), '');
  assert.equal(imageTag(''), '');
});

test('a pod with resources of its own requests what its containers need together', () => {
  const gvk = { group: '', version: 'v1', kind: 'Pod' };
  const requests = (cpu: string) => ({ resources: { requests: { cpu } } });
  const pod = defaulted(gvk, {
    spec: {
      resources: { limits: { cpu: '4', memory: '1Gi' } },
      initContainers: [
        { name: 's', restartPolicy: 'Always', ...requests('100m') },
        { name: 'i', ...requests('1') },
      ],
      containers: [
        { name: 'a', ...requests('250m') },
        { name: 'b', ...requests('250m') },
      ],
    },
  });
  assert.deepEqual((pod['spec'] as JsonObject)['resources'], {
    limits: { cpu: '4', memory: '1Gi' },
    requests: { cpu: '1100m', memory: '1Gi' },
  });
});
