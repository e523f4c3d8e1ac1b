import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ClusterRole } from '../../src/api/kubernetes/rbac-v1.ts';
import { clusterRoles } from '../../src/client/resources.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import { type Answer, openBed, type SecurityBed } from './test-bed.ts';

const group = 'rbac.authorization.k8s.io';
const rbac = `/apis/${group}/v1`;
const here = `${rbac}/namespaces/default`;
const secretRules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];
const configRules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
const patches = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** May write every RBAC object and read ConfigMaps, and holds nothing else. */
describe('who may write roles gets no further than its own rights', () => {
  let bed: SecurityBed;
  let climber: IssuedCertificate;
  before(async () => {
    bed = await openBed();
    await Promise.all(['edit', 'admin'].map((name) => untilAggregated(bed, name)));
    climber = await bed.issue('climber');
    const metadata = { name: 'climber' };
    const rules = [
      ...configRules,
      {
        apiGroups: [group],
        resources: ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'],
        verbs: ['get', 'list', 'create', 'update', 'patch', 'delete'],
      },
      { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['create'] },
    ];
    await bed.create(`${rbac}/clusterroles`, { metadata, rules });
    await bed.create(`${rbac}/clusterrolebindings`, {
      metadata,
      subjects: [user('climber')],
      roleRef: clusterRole('climber'),
    });
    await bed.create(`${rbac}/clusterroles`, { metadata: { name: 'strong' }, rules: secretRules });
    await bed.create(`${here}/roles`, { metadata: { name: 'strong' }, rules: secretRules });
    await bed.create(`${rbac}/clusterroles`, { metadata: { name: 'weak' }, rules: configRules });
    await bed.create(`${here}/roles`, { metadata: { name: 'weak' }, rules: configRules });
    await bed.create(`${here}/rolebindings`, {
      metadata: { name: 'strong' },
      subjects: [user('ann')],
      roleRef: clusterRole('strong'),
    });
    await bed.create(`${rbac}/clusterroles`, {
      metadata: { name: 'sum' },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { sum: 'true' } }] },
      rules: [],
    });
  });
  after(() => bed[Symbol.asyncDispose]());

  const as = (method: string, path: string, body: object, type = 'application/json'): Promise<Answer> =>
    bed.call(path, { certificate: climber, method, body, headers: { 'content-type': type } });

  async function assertRefused(what: string, call: Promise<Answer>): Promise<void> {
    const answer = await call;
    assert.equal(answer.status, 403, `${what}: ${answer.status} ${answer.message}`);
    assert.match(answer.message, /is attempting to grant RBAC permissions not currently held/, what);
  }

  test('what it holds it may give', async () => {
    const role = { metadata: { name: 'given' }, rules: configRules };
    assert.equal((await as('POST', `${here}/roles`, role)).status, 201);
    const binding = { metadata: { name: 'given' }, subjects: [user('ann')], roleRef: clusterRole('weak') };
    assert.equal((await as('POST', `${rbac}/clusterrolebindings`, binding)).status, 201);
  });

  test('a role with more is refused by POST, with generateName, PUT and each kind of patch', async () => {
    for (const [kind, path] of [
      ['Role', `${here}/roles`],
      ['ClusterRole', `${rbac}/clusterroles`],
    ] as const) {
      for (const rules of [secretRules, everything]) {
        await assertRefused(`${kind} POST`, as('POST', path, { metadata: { name: 'new' }, rules }));
        await assertRefused(`${kind} generateName`, as('POST', path, { metadata: { generateName: 'new-' }, rules }));
        await assertRefused(`${kind} dry run`, as('POST', `${path}?dryRun=All`, { metadata: { name: 'new' }, rules }));
        await assertRefused(`${kind} PUT`, as('PUT', `${path}/weak`, { metadata: { name: 'weak' }, rules }));
        await assertRefused(`${kind} merge`, as('PATCH', `${path}/weak`, { rules }, patches.merge));
        await assertRefused(`${kind} strategic`, as('PATCH', `${path}/weak`, { rules }, patches.strategic));
        const operations = [{ op: 'add', path: '/rules/-', value: rules[0] }];
        await assertRefused(`${kind} json`, as('PATCH', `${path}/weak`, operations, patches.json));
        const verbs = [{ op: 'replace', path: '/rules/0/resources', value: rules[0]?.resources }];
        await assertRefused(`${kind} json in a rule`, as('PATCH', `${path}/weak`, verbs, patches.json));
      }
    }
    const urls = { metadata: { name: 'urls' }, rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }] };
    await assertRefused('nonResourceURLs', as('POST', `${rbac}/clusterroles`, urls));
  });

  test('an aggregation that would gather what it does not hold is refused', async () => {
    const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { any: 'thing' } }] };
    const create = await as('POST', `${rbac}/clusterroles`, {
      metadata: { name: 'gather' },
      aggregationRule,
      rules: [],
    });
    assert.equal(create.status, 403, create.message);
    const patch = await as('PATCH', `${rbac}/clusterroles/weak`, { aggregationRule }, patches.merge);
    assert.equal(patch.status, 403, patch.message);
    const labelled = { metadata: { name: 'part', labels: { sum: 'true' } }, rules: everything };
    await assertRefused('a part of an aggregation', as('POST', `${rbac}/clusterroles`, labelled));
    const toEdit = {
      metadata: { name: 'part', labels: { [`${group}/aggregate-to-edit`]: 'true' } },
      rules: secretRules,
    };
    await assertRefused('a part of edit', as('POST', `${rbac}/clusterroles`, toEdit));
  });

  test('a binding to more is refused, whoever it is for and however it is written', async () => {
    const subjects = [
      [user('climber')],
      [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
      [groupSubject('system:authenticated')],
    ];
    for (const each of subjects) {
      for (const name of ['strong', 'cluster-admin', 'admin', 'system:node']) {
        const body = { metadata: { generateName: 'b-' }, subjects: each, roleRef: clusterRole(name) };
        await assertRefused(`RoleBinding to ${name}`, as('POST', `${here}/rolebindings`, body));
        await assertRefused(`ClusterRoleBinding to ${name}`, as('POST', `${rbac}/clusterrolebindings`, body));
      }
    }
    const role = { apiGroup: group, kind: 'Role', name: 'strong' };
    await assertRefused(
      'Role',
      as('POST', `${here}/rolebindings`, { metadata: { name: 'b' }, subjects: [user('climber')], roleRef: role }),
    );
    const more = { subjects: [user('ann'), user('climber')] };
    await assertRefused('PATCH', as('PATCH', `${here}/rolebindings/strong`, more, patches.merge));
    const put = { metadata: { name: 'strong' }, ...more, roleRef: clusterRole('strong') };
    await assertRefused('PUT', as('PUT', `${here}/rolebindings/strong`, put));
    const missing = { metadata: { name: 'b' }, subjects: [user('climber')], roleRef: clusterRole('comes-later') };
    const answer = await as('POST', `${here}/rolebindings`, missing);
    assert.ok(answer.status === 404 || answer.status === 403, `a role that is not there yet: ${answer.status}`);
  });

  test('a binding keeps its role', async () => {
    await as('POST', `${here}/rolebindings`, {
      metadata: { name: 'swap' },
      subjects: [user('climber')],
      roleRef: clusterRole('weak'),
    });
    const roleRef = clusterRole('strong');
    const patch = await as('PATCH', `${here}/rolebindings/swap`, { roleRef }, patches.merge);
    assert.ok(patch.status === 403 || patch.status === 422, `${patch.status} ${patch.message}`);
    const byAdmin = await bed.call(`${here}/rolebindings/swap`, {
      certificate: bed.admin,
      method: 'PATCH',
      body: { roleRef },
      headers: { 'content-type': patches.merge },
    });
    assert.equal(byAdmin.status, 422, byAdmin.message);
  });

  test('after all of that it can still read no Secret', async () => {
    for (const path of ['/api/v1/namespaces/default/secrets', '/api/v1/secrets']) {
      assert.equal((await bed.call(path, { certificate: climber })).status, 403);
    }
  });

  test('the right to change a resource is no right to its subresources that give power', async () => {
    const calls: [string, string, object][] = [
      ['POST', '/api/v1/namespaces/default/serviceaccounts/default/token', { spec: {} }],
      [
        'PUT',
        '/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval',
        { metadata: { name: 'x' }, spec: {} },
      ],
      ['PATCH', '/api/v1/nodes/x/status', {}],
      ['POST', '/api/v1/namespaces/default/pods/x/binding', { target: { name: 'n' } }],
    ];
    for (const [method, path, body] of calls) {
      assert.equal((await as(method, path, body, method === 'PATCH' ? patches.merge : undefined)).status, 403, path);
    }
  });

  test('edit and admin of a namespace give no endpoints, quotas or namespaces to write', async () => {
    for (const role of ['edit', 'admin']) {
      const certificate = await bed.issue(`an-${role}`);
      await bed.create(`${here}/rolebindings`, {
        metadata: { name: role },
        subjects: [user(`an-${role}`)],
        roleRef: clusterRole(role),
      });
      assert.equal((await bed.call('/api/v1/namespaces/default/configmaps', { certificate })).status, 200, role);
      const calls: [string, string][] = [
        ['POST', '/api/v1/namespaces/default/endpoints'],
        ['POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'],
        ['POST', '/api/v1/namespaces/default/resourcequotas'],
        ['DELETE', '/api/v1/namespaces/default'],
        ['GET', '/api/v1/namespaces/kube-system/secrets'],
        ['PATCH', '/api/v1/namespaces/default/services/x/status'],
      ];
      for (const [method, path] of calls) {
        const { status } = await bed.call(path, {
          certificate,
          method,
          ...(method !== 'GET' && { body: {} }),
          headers: method === 'PATCH' ? { 'content-type': patches.merge } : {},
        });
        assert.equal(status, 403, `${role}: ${method} ${path}`);
      }
    }
  });
});

/** Until the controller has gathered the rules of a role that other roles make up. */
async function untilAggregated({ cluster }: SecurityBed, name: string): Promise<void> {
  const options = { fieldSelector: `metadata.name=${name}` };
  for await (const event of cluster.client.watch<ClusterRole>(clusterRoles, options)) {
    if (event.type !== 'ERROR' && (event.object.rules?.length ?? 0) > 0) return;
  }
}

function user(name: string): object {
  return { kind: 'User', apiGroup: group, name };
}

function groupSubject(name: string): object {
  return { kind: 'Group', apiGroup: group, name };
}

function clusterRole(name: string): object {
  return { apiGroup: group, kind: 'ClusterRole', name };
}
