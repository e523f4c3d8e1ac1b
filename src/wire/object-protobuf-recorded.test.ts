import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeProtobufObject, encodeProtobufObject } from './object-protobuf.ts';

/** Bodies as kubectl 1.36 sends them, in base64, and the JSON that older ones send for the same command. */
const recorded = [
  {
    command: 'create deployment web --image=nginx --replicas=0 --port=80',
    body:
      'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAASDAoKCgNh' +
      'cHASA3dlYhpsChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoA' +
      'cgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA=',
    object: {
      kind: 'Deployment',
      apiVersion: 'apps/v1',
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }] },
        },
        strategy: {},
      },
      status: {},
    },
  },
  {
    command: "create cronjob cj --image=x --schedule='* * * * *'",
    body:
      'azhzAAoTCghiYXRjaC92MRIHQ3JvbkpvYhKVAQoSCgJjahIAGgAiACoAMgA4AEIAEn0KCSogKiAqICogKhoAKm4KEgoCY2oSABoA' +
      'IgAqADIAOABCABJYMlYKEAoAEgAaACIAKgAyADgAQgASQhIbCgJjahIBeCoAQgBqAHIAgAEAiAEAkAEAogEAGglPbkZhaWx1cmUy' +
      'AEIASgBSAFgAYABoAIIBAIoBAJoBAMIBABoAGgAiAA==',
    object: {
      kind: 'CronJob',
      apiVersion: 'batch/v1',
      metadata: { name: 'cj' },
      spec: {
        schedule: '* * * * *',
        jobTemplate: {
          metadata: { name: 'cj' },
          spec: {
            template: {
              metadata: {},
              spec: { containers: [{ name: 'cj', image: 'x', resources: {} }], restartPolicy: 'OnFailure' },
            },
          },
        },
      },
      status: {},
    },
  },
  {
    command: "create ingress i --rule='foo.com/bar*=svc:80'",
    body:
      'azhzAAofChRuZXR3b3JraW5nLms4cy5pby92MRIHSW5ncmVzcxJHChEKAWkSABoAIgAqADIAOABCABIuGiwKB2Zvby5jb20SIQof' +
      'Ch0KBC9iYXISDSILCgNzdmMSBAoAEFAaBlByZWZpeBoCCgAaACIA',
    object: {
      kind: 'Ingress',
      apiVersion: 'networking.k8s.io/v1',
      metadata: { name: 'i' },
      spec: {
        rules: [
          {
            host: 'foo.com',
            http: {
              paths: [
                { path: '/bar', backend: { service: { name: 'svc', port: { number: 80 } } }, pathType: 'Prefix' },
              ],
            },
          },
        ],
      },
      status: { loadBalancer: {} },
    },
  },
  {
    command: 'create poddisruptionbudget p --min-available=50% --selector=a=b',
    body:
      'azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSNgoRCgFwEgAaACIAKgAyADgAQgASFQoJCAEQABoDNTAlEggK' +
      'BgoBYRIBYhoKCAAYACAAKAAwABoAIgA=',
    object: {
      kind: 'PodDisruptionBudget',
      apiVersion: 'policy/v1',
      metadata: { name: 'p' },
      spec: { minAvailable: '50%', selector: { matchLabels: { a: 'b' } } },
      status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
    },
  },
  {
    command: 'create service nodeport n --tcp=80:web',
    body:
      'azhzAAoNCgJ2MRIHU2VydmljZRJjChsKAW4SABoAIgAqADIAOABCAFoICgNhcHASAW4SQAocCgY4MC13ZWISA1RDUBhQIgkIARAA' +
      'GgN3ZWIoABIICgNhcHASAW4aACIITm9kZVBvcnQ6AEIAUgBaAGAAaAAaAgoAGgAiAA==',
    object: {
      kind: 'Service',
      apiVersion: 'v1',
      metadata: { name: 'n', labels: { app: 'n' } },
      spec: {
        ports: [{ name: '80-web', protocol: 'TCP', port: 80, targetPort: 'web' }],
        selector: { app: 'n' },
        type: 'NodePort',
      },
      status: { loadBalancer: {} },
    },
  },
  {
    command: 'create quota q --hard=cpu=1,pods=2',
    body:
      'azhzAAoTCgJ2MRINUmVzb3VyY2VRdW90YRIwChEKAXESABoAIgAqADIAOABCABIZCgoKA2NwdRIDCgExCgsKBHBvZHMSAwoBMhoA' +
      'GgAiAA==',
    object: {
      kind: 'ResourceQuota',
      apiVersion: 'v1',
      metadata: { name: 'q' },
      spec: { hard: { cpu: '1', pods: '2' } },
      status: {},
    },
  },
];

test('bodies of kubectl are read as the JSON it used to send', () => {
  for (const { command, body, object } of recorded) {
    assert.deepEqual(decodeProtobufObject(Buffer.from(body, 'base64')).object, object, command);
  }
});

test('what was read from kubectl is written and read again without loss', () => {
  for (const { command, body, object } of recorded) {
    const { gvk } = decodeProtobufObject(Buffer.from(body, 'base64'));
    assert.deepEqual(decodeProtobufObject(encodeProtobufObject(object, gvk)).object, object, command);
  }
});
