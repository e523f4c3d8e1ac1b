import assert from 'node:assert/strict';
import { dialDirect } from '../../egress/direct.ts';
import { configMap, configMaps, openTestServer, type TestAnswer, type TestServer } from '../server-suite.ts';
import type { TestWebhook } from './webhook-server-suite.ts';

/** A webhook as a test wants it; other fields go over those of one that is fine. */
export interface HookInit {
  readonly webhook: Pick<TestWebhook, 'url' | 'caBundle'>;
  /** @default test.hooks.example */
  readonly name?: string;
  readonly path?: string;
  readonly [field: string]: unknown;
}

/** A server that reaches webhooks on this machine. */
export interface WebhookBed extends AsyncDisposable {
  readonly server: TestServer;
  /** Puts a configuration in place until it is disposed. */
  configure(kind: 'Mutating' | 'Validating', ...hooks: HookInit[]): Promise<AsyncDisposable>;
  /** Creates a ConfigMap. */
  create(name: string, rest?: object, query?: string): Promise<TestAnswer>;
  remove(name: string): Promise<TestAnswer>;
}

export function hookOf({ webhook, name = 'test.hooks.example', path = '/', ...rest }: HookInit): object {
  return {
    name,
    clientConfig: { url: `${webhook.url}${path}`, caBundle: webhook.caBundle },
    rules: [
      { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE', 'DELETE'], resources: ['configmaps'] },
    ],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 5,
    ...rest,
  };
}

export async function openWebhookBed(): Promise<WebhookBed> {
  const server = await openTestServer({}, undefined, { dial: dialDirect });
  return {
    server,
    async configure(kind, ...hooks) {
      const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`;
      const body = {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: `${kind}WebhookConfiguration`,
        metadata: { name: 'under-test' },
        webhooks: hooks.map(hookOf),
      };
      const created = await server.request({ method: 'POST', path, body });
      assert.equal(created.status, 201, created.bytes.toString());
      return {
        async [Symbol.asyncDispose]() {
          await server.request({ method: 'DELETE', path: `${path}/under-test` });
        },
      };
    },
    create: (name, rest = {}, query = '') =>
      server.request({ method: 'POST', path: configMaps + query, body: configMap(name, rest) }),
    remove: (name) => server.request({ method: 'DELETE', path: `${configMaps}/${name}` }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
