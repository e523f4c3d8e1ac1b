import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RuleWithOperations } from '../../api/kubernetes/admissionregistration-v1.ts';
import { matchRule } from './match-webhook.ts';

const pods = { group: '', version: 'v1', resource: 'pods' };
const deployments = { group: 'apps', version: 'v1', resource: 'deployments' };
const nodes = { group: '', version: 'v1', resource: 'nodes' };
const namespaces = { group: '', version: 'v1', resource: 'namespaces' };
const base: RuleWithOperations = { apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] };

test('rules match as upstream’s', () => {
  const cases: [
    rule: Partial<RuleWithOperations>,
    of: [typeof pods, subresource?: string, namespace?: string],
    matches: boolean,
  ][] = [
    [{}, [pods], true],
    [{}, [pods, 'status'], false],
    [{ resources: ['*/*'] }, [pods, 'status'], true],
    [{ resources: ['*/*'] }, [pods], true],
    [{ resources: ['pods/*'] }, [pods, 'exec'], true],
    [{ resources: ['pods/*'] }, [pods], true],
    [{ resources: ['*/scale'] }, [deployments, 'scale'], true],
    [{ resources: ['*/scale'] }, [deployments], false],
    [{ resources: ['deployments'] }, [pods], false],
    [{ apiGroups: ['apps'] }, [pods], false],
    [{ apiGroups: ['', 'batch'] }, [pods], true],
    [{ apiVersions: ['v2'] }, [pods], false],
    [{ operations: ['UPDATE', 'CREATE'] }, [pods], true],
    [{ operations: ['DELETE'] }, [pods], false],
    [{ scope: 'Namespaced' }, [pods, '', 'default'], true],
    [{ scope: 'Namespaced' }, [nodes], false],
    [{ scope: 'Cluster' }, [nodes], true],
    [{ scope: 'Cluster' }, [pods, '', 'default'], false],
    [{ scope: 'Namespaced' }, [namespaces, '', 'default'], false],
    [{ scope: 'Cluster' }, [namespaces, '', 'default'], true],
  ];
  for (const [rule, [resource, subresource = '', namespace = ''], expected] of cases) {
    const request = { operation: 'CREATE', subresource, namespace } as const;
    const label = JSON.stringify([rule, resource.resource, subresource, namespace]);
    assert.equal(matchRule({ ...base, ...rule }, request, resource), expected, label);
  }
});
