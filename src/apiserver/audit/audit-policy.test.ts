import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestInfo } from '../request-info.ts';
import { evaluatePolicy } from './audit-policy.ts';
import { parseAuditPolicy } from './parse-audit-policy.ts';

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';

function policyOf(rules: string) {
  return parseAuditPolicy(`${head}rules:\n${rules}`);
}

/** `verb group/resource[/subresource] namespace name`, or `verb /path`. */
function infoOf(text: string): RequestInfo {
  const [verb = '', target = '', namespace = '', name = ''] = text.split(' ');
  const isResourceRequest = !target.startsWith('/');
  const [group = '', resource = '', subresource = ''] = isResourceRequest ? target.split('/') : [];
  const bare = (part: string) => (part === '-' ? '' : part);
  return {
    isResourceRequest,
    path: isResourceRequest ? '/x' : target,
    verb,
    group: bare(group),
    version: 'v1',
    resource,
    subresource,
    rest: [],
    namespace: bare(namespace),
    name,
  };
}

const ann = { username: 'ann', uid: '', groups: ['devs'], extra: {} };
const levelOf = (rules: string, request: string) =>
  evaluatePolicy(policyOf(rules), { info: infoOf(request), user: ann }).level;

const cases: Array<{ rule: string; matching: string[]; other: string[] }> = [
  { rule: '', matching: ['get -/pods ns', 'get /healthz'], other: [] },
  { rule: 'users: [ann]', matching: ['get /x'], other: [] },
  { rule: 'users: [bob]', matching: [], other: ['get /x'] },
  { rule: 'userGroups: [x, devs]', matching: ['get /x'], other: [] },
  { rule: 'verbs: [get, list]', matching: ['list -/pods'], other: ['create -/pods'] },
  { rule: 'resources: [{group: ""}]', matching: ['get -/pods/log ns'], other: ['get apps/deployments ns', 'get /x'] },
  {
    rule: 'resources: [{group: "", resources: [pods]}]',
    matching: ['get -/pods ns x'],
    other: ['get -/pods/log ns x', 'get -/secrets ns x'],
  },
  {
    rule: 'resources: [{group: "", resources: ["pods/*"]}]',
    matching: ['get -/pods/log ns x'],
    other: ['get -/nodes/log ns x'],
  },
  {
    rule: 'resources: [{group: "", resources: ["*/log"]}]',
    matching: ['get -/pods/log ns x'],
    other: ['get -/pods ns x'],
  },
  {
    rule: 'resources: [{resources: [configmaps], resourceNames: [one]}]',
    matching: ['get -/configmaps ns one'],
    other: ['get -/configmaps ns two', 'list -/configmaps ns'],
  },
  {
    rule: 'namespaces: [ns]',
    matching: ['get -/pods ns x'],
    other: ['get -/pods other x', 'get -/nodes - n', 'get /x'],
  },
  { rule: 'namespaces: [""]', matching: ['get -/nodes - n'], other: ['get -/pods ns x'] },
  {
    rule: 'nonResourceURLs: ["/healthz*", /version]',
    matching: ['get /healthz/x', 'get /version'],
    other: ['get /versions', 'get -/pods'],
  },
];

test('the first rule that matches decides, without one nothing is audited', () => {
  for (const { rule, matching, other } of cases) {
    const rules = `- level: Request\n  ${rule}\n`;
    for (const request of matching) assert.equal(levelOf(rules, request), 'Request', `${rule}: ${request}`);
    for (const request of other) assert.equal(levelOf(rules, request), 'None', `${rule}: ${request}`);
  }
  assert.equal(levelOf('- level: None\n  users: [ann]\n- level: Metadata\n', 'get /x'), 'None');
  assert.equal(levelOf('- level: None\n  users: [bob]\n- level: Metadata\n', 'get /x'), 'Metadata');
});

test('stages to leave out add up, and a rule overrides the policy about managed fields', () => {
  const policy = parseAuditPolicy(
    `${head}omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n- level: Metadata\n  omitStages: [Panic]\n  omitManagedFields: false\n`,
  );
  const decision = evaluatePolicy(policy, { info: infoOf('get /x'), user: undefined });
  assert.deepEqual([...decision.omitStages], ['RequestReceived', 'Panic']);
  assert.equal(decision.omitManagedFields, false);
});

const broken: Array<[string, string]> = [
  ['kind: Policy\nrules: [{level: None}]', 'apiVersion: expected "audit.k8s.io/v1", found nothing'],
  ['apiVersion: audit.k8s.io/v1\nkind: Pod', 'kind: expected "Policy", found "Pod"'],
  [`${head}rules: []`, 'rules: expected at least one rule, found []'],
  [`${head}rules: [{}]`, 'rules[0].level: expected one of None, Metadata, Request, RequestResponse, found nothing'],
  [
    `${head}rules: [{level: Metadata, omitStage: [Panic]}]`,
    'rules[0].omitStage: unknown field, expected one of level, users, userGroups, verbs, resources, namespaces, nonResourceURLs, omitStages, omitManagedFields',
  ],
  [
    `${head}rules: [{level: Metadata, omitStages: [Never]}]`,
    'rules[0].omitStages[0]: expected one of RequestReceived, ResponseStarted, ResponseComplete, Panic, found "Never"',
  ],
  [
    `${head}rules: [{level: Metadata, resources: [{group: apps/v1}]}]`,
    'rules[0].resources[0].group: expected a group without a version, found "apps/v1"',
  ],
  [
    `${head}rules: [{level: Metadata, resources: [{resourceNames: [x]}]}]`,
    'rules[0].resources[0].resourceNames: using resourceNames requires at least one resource, found ["x"]',
  ],
  [
    `${head}rules: [{level: Metadata, namespaces: [x], nonResourceURLs: [/x]}]`,
    'rules[0].nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs, found ["/x"]',
  ],
  [
    `${head}rules: [{level: Metadata, nonResourceURLs: ["/a*b"]}]`,
    'rules[0].nonResourceURLs[0]: expected "*", or a path that begins with "/" with "*" only at its end, found "/a*b"',
  ],
  [`${head}rules: [{level: Metadata, users: ann}]`, 'rules[0].users: expected a list, found "ann"'],
  ['[]', 'the policy: expected an object, found []'],
];

test('a policy that cannot be used is refused with the field and what was expected', () => {
  for (const [text, message] of broken) {
    assert.throws(() => parseAuditPolicy(text), { name: 'ConfigError', message: `--audit-policy-file: ${message}` });
  }
  assert.throws(() => parseAuditPolicy('a: ['), /^ConfigError: --audit-policy-file: cannot be read as YAML/);
});
