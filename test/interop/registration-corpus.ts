/** Registrations of webhooks and of extension API servers, good and bad. */
export interface RegistrationCase {
  readonly name: string;
  readonly path: string;
  readonly object: object;
}

const hook = {
  name: 'a.hooks.example',
  clientConfig: { service: { namespace: 'default', name: 'hook' } },
  rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
};
const rule = hook.rules[0];

/** Fields that go over those of a webhook that is fine. */
const hooks: Readonly<Record<string, object>> = {
  fine: {},
  'a short name': { name: 'a.b' },
  'a bad name': { name: 'A.hooks.example' },
  'no name': { name: '' },
  'no versions': { admissionReviewVersions: [] },
  'unknown versions': { admissionReviewVersions: ['v9'] },
  'a version twice': { admissionReviewVersions: ['v1', 'v1'] },
  'some side effects': { sideEffects: 'Some' },
  'no side effects said': { sideEffects: undefined },
  'a long timeout': { timeoutSeconds: 31 },
  'no timeout': { timeoutSeconds: 0 },
  'a policy': { failurePolicy: 'Maybe' },
  'a match policy': { matchPolicy: 'Nearly' },
  'a bad selector': { objectSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } },
  'no target': { clientConfig: {} },
  'two targets': { clientConfig: { url: 'https://a/', service: { namespace: 'a', name: 'b' } } },
  'plain HTTP': { clientConfig: { url: 'http://a/' } },
  'a query': { clientConfig: { url: 'https://a/?b=c' } },
  'a fragment': { clientConfig: { url: 'https://a/#b' } },
  'a user': { clientConfig: { url: 'https://u:p@a/' } },
  'an empty service': { clientConfig: { service: { namespace: '', name: '' } } },
  'a bad port': { clientConfig: { service: { namespace: 'a', name: 'b', port: 70_000 } } },
  'a bad path': { clientConfig: { service: { namespace: 'a', name: 'b', path: 'x' } } },
  'an empty segment': { clientConfig: { service: { namespace: 'a', name: 'b', path: '/x//y' } } },
  'a bad segment': { clientConfig: { service: { namespace: 'a', name: 'b', path: '/x/Y!' } } },
  'a slash alone': { clientConfig: { service: { namespace: 'a', name: 'b', path: '/' } } },
  'no rules': { rules: [] },
  'no operations': { rules: [{ ...rule, operations: [] }] },
  'an unknown operation': { rules: [{ ...rule, operations: ['READ'] }] },
  'all operations and one': { rules: [{ ...rule, operations: ['*', 'CREATE'] }] },
  'no groups': { rules: [{ ...rule, apiGroups: [] }] },
  'all groups and one': { rules: [{ ...rule, apiGroups: ['*', 'a'] }] },
  'no API versions': { rules: [{ ...rule, apiVersions: [] }] },
  'an empty API version': { rules: [{ ...rule, apiVersions: [''] }] },
  'no resources': { rules: [{ ...rule, resources: [] }] },
  'an empty resource': { rules: [{ ...rule, resources: [''] }] },
  'all and one resource': { rules: [{ ...rule, resources: ['*/*', 'a'] }] },
  'all of one and one of it': { rules: [{ ...rule, resources: ['a/*', 'a/x'] }] },
  'one of all and of one': { rules: [{ ...rule, resources: ['*/x', 'a/x'] }] },
  'all resources and one': { rules: [{ ...rule, resources: ['*', 'a'] }] },
  'a scope': { rules: [{ ...rule, scope: 'Galaxy' }] },
  reinvocation: { reinvocationPolicy: 'Always' },
};

const spec = {
  group: 'a.example',
  version: 'v1',
  groupPriorityMinimum: 100,
  versionPriority: 10,
  service: { namespace: 'default', name: 'a' },
};

const apis: Readonly<Record<string, { name?: string; spec: object }>> = {
  fine: { spec },
  'another name': { name: 'v2.a.example', spec },
  'no priorities': { spec: { ...spec, groupPriorityMinimum: 0, versionPriority: 0 } },
  'high priorities': { spec: { ...spec, groupPriorityMinimum: 20_001, versionPriority: 1001 } },
  'no service name': { spec: { ...spec, service: { namespace: 'default' } } },
  'no service namespace': { spec: { ...spec, service: { name: 'a' } } },
  'a bad port': { spec: { ...spec, service: { ...spec.service, port: 70_000 } } },
  'a bad version': { name: '1.a.example', spec: { ...spec, version: '1' } },
  'a bad group': { name: 'v1.A', spec: { ...spec, group: 'A' } },
  'no group': { name: 'v2.', spec: { ...spec, group: '', version: 'v2' } },
  'local and insecure': { spec: { ...spec, service: undefined, insecureSkipTLSVerify: true } },
  'local with a bundle': { spec: { ...spec, service: undefined, caBundle: 'YQ==' } },
  'a bundle and insecure': { spec: { ...spec, caBundle: 'YQ==', insecureSkipTLSVerify: true } },
};

const registrations = '/apis/admissionregistration.k8s.io/v1';

export const registrationCases: readonly RegistrationCase[] = [
  ...Object.entries(hooks).map(([name, fields]) => {
    const kind = name === 'reinvocation' ? 'mutating' : 'validating';
    const path = `${registrations}/${kind}webhookconfigurations`;
    return { name: `webhook: ${name}`, path, object: { metadata: { name: 'x' }, webhooks: [{ ...hook, ...fields }] } };
  }),
  {
    name: 'webhook: a name twice',
    path: `${registrations}/mutatingwebhookconfigurations`,
    object: { metadata: { name: 'x' }, webhooks: [hook, hook] },
  },
  ...Object.entries(apis).map(([name, api]) => ({
    name: `API: ${name}`,
    path: '/apis/apiregistration.k8s.io/v1/apiservices',
    object: { metadata: { name: api.name ?? 'v1.a.example' }, spec: api.spec },
  })),
];
