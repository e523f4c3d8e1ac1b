import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { type Call, createToken, openBed, type SecurityBed, untilServiceAccount } from './test-bed.ts';

const v1 = '/api/v1/namespaces/default';
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
const mergePatch = { 'content-type': 'application/merge-patch+json' };
const json = (value: unknown) => JSON.stringify(value);

/** What the certificate of `thief` gets at objects of `victim`. */
describe('one node against another', () => {
  let bed: SecurityBed;
  let thief: IssuedCertificate;
  before(async () => {
    bed = await openBed();
    await Promise.all(
      ['thief', 'victim'].map((name) => bed.cluster.addNode({ name, runtime: 'simulated', labels: { zone: name } })),
    );
    await untilServiceAccount(bed.cluster);
    thief = await bed.issueNode('thief');
    for (const node of ['thief', 'victim']) {
      await bed.create(`${v1}/secrets`, { metadata: { name: `of-${node}` }, stringData: { key: 'value' } });
      await bed.create(`${v1}/configmaps`, { metadata: { name: `of-${node}` } });
      await bed.create(`${v1}/serviceaccounts`, { metadata: { name: `of-${node}` } });
      await bed.create(`${v1}/pods`, {
        metadata: { name: `on-${node}` },
        spec: {
          nodeName: node,
          serviceAccountName: `of-${node}`,
          containers: [
            {
              name: 'c',
              image: 'x',
              envFrom: [{ secretRef: { name: `of-${node}` } }, { configMapRef: { name: `of-${node}` } }],
            },
          ],
        },
      });
    }
    await bed.create(`${v1}/secrets`, { metadata: { name: 'of-nobody' } });
  });
  after(() => bed[Symbol.asyncDispose]());

  const as = (path: string, call: Call = {}) => bed.call(path, { certificate: thief, ...call });
  const patch = (path: string, body: object) => as(path, { method: 'PATCH', body, headers: mergePatch });

  test('it reads what its own pods need', async () => {
    const own = [
      `${v1}/secrets/of-thief`,
      `${v1}/secrets?fieldSelector=metadata.name=of-thief`,
      `${v1}/configmaps/of-thief`,
      `${v1}/pods/on-thief`,
      '/api/v1/pods?fieldSelector=spec.nodeName=thief',
      '/api/v1/nodes/thief',
      '/api/v1/nodes?fieldSelector=metadata.name=thief',
      `${leases}/thief`,
    ];
    for (const path of own) assert.equal((await as(path)).status, 200, path);
  });

  test("it reads nothing of the other's pods, in no way of asking", async () => {
    const paths = [
      `${v1}/secrets/of-victim`,
      `${v1}/secrets/of-nobody`,
      `${v1}/secrets`,
      '/api/v1/secrets',
      `${v1}/secrets?fieldSelector=metadata.name=of-victim`,
      `${v1}/secrets?fieldSelector=metadata.name!=of-victim`,
      `${v1}/secrets?labelSelector=a%3Db`,
      '/api/v1/watch/namespaces/default/secrets',
      '/api/v1/watch/namespaces/default/secrets/of-victim',
      '/api/v1/namespaces/kube-system/secrets',
      '/api/v1/namespaces/kube-system/secrets/of-thief',
      `${v1}/configmaps/of-victim`,
      `${v1}/configmaps`,
      `${v1}/pods/on-victim`,
      `${v1}/pods`,
      '/api/v1/pods',
      '/api/v1/pods?fieldSelector=spec.nodeName=victim',
      '/api/v1/pods?fieldSelector=spec.nodeName!=victim',
      '/api/v1/pods?fieldSelector=spec.nodeName%20in%20(thief,victim)',
      '/api/v1/pods?fieldSelector=status.phase=Running',
      `${v1}/pods/on-victim/log`,
      `${v1}/pods/on-thief/log`,
      `${v1}/serviceaccounts/of-victim`,
      `${v1}/serviceaccounts`,
      '/api/v1/nodes/victim',
      '/api/v1/nodes',
      `${leases}/victim`,
      leases,
      '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
    ];
    for (const path of paths) {
      const { status, body } = await as(path);
      assert.ok(status === 403 || status === 400, `${path}: ${status} ${body.slice(0, 300)}`);
      assert.ok(!body.includes('dmFsdWU='), `${path} shows the secret`);
    }
    const both = 'fieldSelector=metadata.name=of-thief,metadata.name=of-victim';
    assert.match((await as(`${v1}/secrets?${both}`)).body, /"items":\[\]/, 'two names select nothing');
    const { message } = await as(`${v1}/secrets/of-victim`);
    assert.equal(
      message,
      'secrets "of-victim" is forbidden: User "system:node:thief" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node \'thief\' and this object',
    );
  });

  test("it changes nothing of the other node's", async () => {
    const status = { status: { phase: 'Failed' } };
    const cases: [string, Call][] = [
      ['/api/v1/nodes/victim', { method: 'PATCH', body: { metadata: { labels: { a: 'b' } } } }],
      [
        '/api/v1/nodes/victim/status',
        { method: 'PATCH', body: { status: { addresses: [{ type: 'InternalIP', address: '127.0.0.9' }] } } },
      ],
      ['/api/v1/nodes/victim', { method: 'DELETE' }],
      ['/api/v1/nodes/thief', { method: 'DELETE' }],
      ['/api/v1/nodes', { method: 'POST', body: { metadata: { name: 'third' } } }],
      [`${leases}/victim`, { method: 'PATCH', body: { spec: { holderIdentity: 'thief' } } }],
      [`${leases}/victim`, { method: 'DELETE' }],
      [leases, { method: 'POST', body: { metadata: { name: 'third' }, spec: {} } }],
      [
        '/apis/coordination.k8s.io/v1/namespaces/default/leases',
        { method: 'POST', body: { metadata: { name: 'thief' }, spec: {} } },
      ],
      [`${v1}/pods/on-victim/status`, { method: 'PATCH', body: status }],
      [`${v1}/pods/on-victim`, { method: 'DELETE' }],
      [`${v1}/pods/on-victim/eviction`, { method: 'POST', body: { metadata: { name: 'on-victim' } } }],
      [`${v1}/pods/on-victim/exec?command=id&stdout=1`, { method: 'POST' }],
      [`${v1}/pods/on-thief`, { method: 'PATCH', body: { metadata: { labels: { a: 'b' } } } }],
      [`${v1}/pods/on-thief/status`, { method: 'PATCH', body: { metadata: { labels: { a: 'b' } }, ...status } }],
      [`${v1}/secrets/of-thief`, { method: 'PATCH', body: { stringData: { key: 'other' } } }],
      [`${v1}/secrets/of-thief`, { method: 'DELETE' }],
    ];
    for (const [path, call] of cases) {
      const headers = call.method === 'PATCH' ? mergePatch : {};
      const answer = await as(path, { ...call, headers });
      assert.equal(answer.status, 403, `${call.method} ${path}: ${answer.status} ${answer.message}`);
    }
  });

  test('its own Node keeps the taints, owners and labels that others gave it', async () => {
    const path = '/api/v1/nodes/thief';
    const { uid } = (JSON.parse((await as(path)).body) as { metadata: { uid: string } }).metadata;
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid };
    const refused: object[] = [
      { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } },
      { metadata: { ownerReferences: [owner] } },
      { metadata: { labels: { 'node-restriction.kubernetes.io/tier': 'trusted' } } },
      { metadata: { labels: { 'sub.node-restriction.kubernetes.io/tier': 'trusted' } } },
      { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } },
      { metadata: { labels: { 'anything.k8s.io/x': '' } } },
    ];
    for (const body of refused) {
      const answer = await patch(path, body);
      assert.equal(answer.status, 403, `${json(body)}: ${answer.status} ${answer.message}`);
    }
    for (const body of [
      { metadata: { labels: { 'example.com/x': 'y' } } },
      { metadata: { labels: { 'node.kubernetes.io/x': 'y' } } },
    ]) {
      assert.equal((await patch(path, body)).status, 200, json(body));
    }
  });

  test('it makes mirror pods of its own alone, which reach for nothing', async () => {
    const { metadata } = JSON.parse((await as('/api/v1/nodes/thief')).body) as { metadata: { uid: string } };
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'thief', uid: metadata.uid, controller: true };
    const mirror = {
      annotations: { 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.source': 'file' },
      ownerReferences: [owner],
    };
    const spec = { nodeName: 'thief', containers: [{ name: 'c', image: 'x' }] };
    const create = (name: string, changes: object, specChanges: object = {}) =>
      as(`${v1}/pods`, {
        method: 'POST',
        body: { metadata: { name, ...mirror, ...changes }, spec: { ...spec, ...specChanges } },
      });
    assert.equal((await create('mirror', {})).status, 201);
    const cases: [string, object, object][] = [
      ['no mirror', { annotations: {} }, {}],
      ['for another node', {}, { nodeName: 'victim' }],
      ['without an owner', { ownerReferences: [] }, {}],
      ['of another owner', { ownerReferences: [{ ...owner, uid: 'x' }] }, {}],
      ['with an account', {}, { serviceAccountName: 'of-victim' }],
      ['with a secret volume', {}, { volumes: [{ name: 'v', secret: { secretName: 'of-victim' } }] }],
      [
        'with a secret in the environment',
        {},
        { containers: [{ name: 'c', image: 'x', envFrom: [{ secretRef: { name: 'of-victim' } }] }] },
      ],
      ['with a configMap', {}, { volumes: [{ name: 'v', configMap: { name: 'of-victim' } }] }],
      [
        'with a projected token',
        {},
        { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      ],
      ['with a pull secret', {}, { imagePullSecrets: [{ name: 'of-victim' }] }],
      ['with a claim', {}, { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }],
      ['with a resource claim', {}, { resourceClaims: [{ name: 'r', resourceClaimName: 'c' }] }],
    ];
    for (const [what, changes, specChanges] of cases) {
      const answer = await create('bad', changes, specChanges);
      assert.equal(answer.status, 403, `${what}: ${answer.status} ${answer.message}`);
    }
    assert.equal((await as(`${v1}/secrets/of-victim`)).status, 403);
  });

  test('it gets tokens for its own pods alone', async () => {
    const podOf = async (name: string) => {
      const { body } = await bed.call(`${v1}/pods/${name}`, { certificate: bed.admin });
      const { metadata } = JSON.parse(body) as { metadata: { name: string; uid: string } };
      return { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid };
    };
    const [mine, theirs] = [await podOf('on-thief'), await podOf('on-victim')];
    const ask = (account: string, spec: object) =>
      as(`${v1}/serviceaccounts/${account}/token`, { method: 'POST', body: { spec } });
    assert.equal((await ask('of-thief', { boundObjectRef: mine })).status, 201);
    const cases: [string, string, object][] = [
      ["the other's account", 'of-victim', { boundObjectRef: theirs }],
      ["the other's account, its own pod", 'of-victim', { boundObjectRef: mine }],
      ["its account, the other's pod", 'of-thief', { boundObjectRef: theirs }],
      ['bound to nothing', 'of-thief', {}],
      ['a pod that was', 'of-thief', { boundObjectRef: { ...mine, uid: 'old' } }],
      ['an audience that no volume asks for', 'of-thief', { boundObjectRef: mine, audiences: ['vault'] }],
      ['two audiences', 'of-thief', { boundObjectRef: mine, audiences: ['a', 'b'] }],
    ];
    for (const [what, account, spec] of cases) {
      const answer = await ask(account, spec);
      assert.ok([400, 403, 409].includes(answer.status), `${what}: ${answer.status} ${answer.message}`);
    }
  });

  test('a name alone makes no node: the group is needed, and the name with it', async () => {
    for (const certificate of [
      await bed.issue('system:node:thief'),
      await bed.issue('thief', ['system:nodes']),
      await bed.issue('system:node:', ['system:nodes']),
    ]) {
      assert.equal((await as(`${v1}/secrets/of-thief`, { certificate })).status, 403);
    }
    const token = await createToken(bed, 'of-thief');
    assert.equal((await bed.call(`${v1}/secrets/of-thief`, { token })).status, 403);
  });
});
