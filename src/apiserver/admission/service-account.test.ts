import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { attributesFor, MemoryLive, refusalOf } from './admission-attributes-suite.ts';
import { runAdmission } from './run-admission.ts';
import { ServiceAccountAdmission } from './service-account.ts';

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';

function setUp(account: KubeObject | 'none' = { metadata: { name: 'default', namespace: 'ns' } }, clock?: Clock) {
  const objects = new MemoryObjects();
  if (account !== 'none') objects.set('serviceaccounts', account);
  const plugin = new ServiceAccountAdmission({ objects, live: new MemoryLive(), clock: clock ?? systemClock });
  return { objects, plugin };
}

async function admit(plugin: ServiceAccountAdmission, pod: object): Promise<Pod> {
  const attributes = attributesFor({ operation: 'CREATE', resource: 'pods', namespace: 'ns', name: 'p', object: pod });
  await runAdmission([plugin], attributes);
  return attributes.object as Pod;
}

test('a pod gets the default account, and token, root certificate and namespace in every container', async () => {
  const { plugin } = setUp();
  const { spec } = await admit(plugin, { spec: { initContainers: [{ name: 'i' }], containers: [{ name: 'c' }] } });
  const [volume] = spec?.volumes ?? [];
  assert.equal(spec?.serviceAccountName, 'default');
  assert.equal(spec.serviceAccount, 'default');
  assert.match(volume?.name ?? '', /^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.deepEqual(volume?.projected, {
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
    defaultMode: 420,
  });
  for (const { volumeMounts } of [...(spec.initContainers ?? []), ...spec.containers]) {
    assert.deepEqual(volumeMounts, [{ name: volume?.name, readOnly: true, mountPath }]);
  }
});

test('a container that mounts something at the path keeps it, and a volume of the kind is used again', async () => {
  const { plugin } = setUp();
  const own = { name: 'mine', mountPath };
  const volumes = [{ name: 'kube-api-access-mine', emptyDir: {} }];
  const containers = [{ name: 'a', volumeMounts: [own] }, { name: 'b' }];
  const { spec } = await admit(plugin, { spec: { containers, volumes } });
  assert.deepEqual(spec?.containers[0]?.volumeMounts, [own]);
  assert.deepEqual(spec?.containers[1]?.volumeMounts, [{ name: 'kube-api-access-mine', readOnly: true, mountPath }]);
  assert.equal(spec?.volumes?.length, 1);
  const alone = await admit(plugin, { spec: { containers: [{ name: 'a', volumeMounts: [own] }] } });
  assert.equal(alone.spec?.volumes, undefined);
});

test('the pod decides about the token before its account does', async () => {
  const { plugin } = setUp({
    metadata: { name: 'default', namespace: 'ns' },
    automountServiceAccountToken: false,
  } as KubeObject);
  const without = await admit(plugin, { spec: { containers: [{ name: 'c' }] } });
  assert.equal(without.spec?.volumes, undefined);
  const asked = await admit(plugin, { spec: { automountServiceAccountToken: true, containers: [{ name: 'c' }] } });
  assert.equal(asked.spec?.volumes?.length, 1);
});

test('pull secrets come from the account only where the pod has none', async () => {
  const account = { metadata: { name: 'default', namespace: 'ns' }, imagePullSecrets: [{ name: 'registry' }] };
  const { plugin } = setUp(account);
  const containers = [{ name: 'c' }];
  const copied = await admit(plugin, { spec: { containers } });
  assert.deepEqual(copied.spec?.imagePullSecrets, [{ name: 'registry' }]);
  const own = await admit(plugin, { spec: { containers, imagePullSecrets: [{ name: 'own' }] } });
  assert.deepEqual(own.spec?.imagePullSecrets, [{ name: 'own' }]);
});

test('an account that does not exist is refused', async () => {
  const { plugin } = setUp();
  const object = { spec: { serviceAccountName: 'sa', containers: [] } };
  assert.equal(
    await refusalOf(plugin, { operation: 'CREATE', resource: 'pods', namespace: 'ns', name: 'p', object }),
    'pods "p" is forbidden: error looking up service account ns/sa: serviceaccount "sa" not found',
  );
});

test('the default account is waited for, up to ten times', async () => {
  let waits = 0;
  const { plugin, objects } = setUp('none', {
    now: () => 0,
    delay: async () => {
      waits++;
      if (waits === 3) objects.set('serviceaccounts', { metadata: { name: 'default', namespace: 'ns' } });
    },
  });
  await admit(plugin, { spec: { containers: [{ name: 'c' }] } });
  assert.equal(waits, 3);
  objects.delete('serviceaccounts', { namespace: 'ns', name: 'default' });
  await assert.rejects(admit(plugin, { spec: { containers: [] } }), /serviceaccount "default" not found/);
  assert.equal(waits, 12);
});

test('mirror pods name no account, no secrets and no tokens, and are left as they are', async () => {
  const { plugin } = setUp();
  const refusal = (spec: object) =>
    refusalOf(plugin, {
      operation: 'CREATE',
      resource: 'pods',
      namespace: 'ns',
      name: 'p',
      object: { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } }, spec },
    });
  const prefix = 'pods "p" is forbidden: a mirror pod may not ';
  assert.equal(await refusal({ serviceAccountName: 'sa' }), `${prefix}reference service accounts`);
  assert.equal(await refusal({ volumes: [{ name: 'v', secret: { secretName: 's' } }] }), `${prefix}reference secrets`);
  assert.equal(
    await refusal({ volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] }),
    `${prefix}use ServiceAccountToken volume projections`,
  );
  assert.equal(await refusal({ containers: [{ name: 'c' }] }), undefined);
});

test('an account that limits secrets limits them everywhere a pod can name one', async () => {
  const { plugin } = setUp({
    metadata: {
      name: 'default',
      namespace: 'ns',
      annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' },
    },
    secrets: [{ name: 'good' }],
  } as KubeObject);
  const reason = 'is not allowed because service account default does not reference that';
  const env = (name: string) => [{ name: 'X', valueFrom: { secretKeyRef: { name, key: 'k' } } }];
  const cases: Array<[object, string | undefined]> = [
    [{ containers: [{ name: 'c', env: env('good') }] }, undefined],
    [
      { containers: [{ name: 'c', env: env('bad') }] },
      `container c with envVar X referencing secret.secretName="bad" ${reason} secret`,
    ],
    [
      { containers: [], initContainers: [{ name: 'i', envFrom: [{ secretRef: { name: 'bad' } }] }] },
      `init container i with envFrom referencing secret.secretName="bad" ${reason} secret`,
    ],
    [
      { containers: [], volumes: [{ name: 'v', secret: { secretName: 'bad' } }] },
      `volume with secret.secretName="bad" ${reason} secret`,
    ],
    [
      { containers: [], imagePullSecrets: [{ name: 'bad' }] },
      `imagePullSecrets[0].name="bad" ${reason} imagePullSecret`,
    ],
  ];
  for (const [spec, expected] of cases) {
    const request = { resource: 'pods', namespace: 'ns', name: 'p', object: { spec } };
    const message = await refusalOf(plugin, { operation: 'CREATE', ...request });
    assert.equal(message, expected && `pods "p" is forbidden: ${expected}`);
  }
  const object = {
    spec: { containers: [], ephemeralContainers: [{ name: 'e', envFrom: [{ secretRef: { name: 'bad' } }] }] },
  };
  assert.equal(
    await refusalOf(plugin, {
      operation: 'UPDATE',
      resource: 'pods/ephemeralcontainers',
      namespace: 'ns',
      name: 'p',
      object,
    }),
    `pods "p" is forbidden: ephemeral container e with envFrom referencing secret.secretName="bad" ${reason} secret`,
  );
});
