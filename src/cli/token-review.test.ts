import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TokenRequest } from '../api/kubernetes/authentication-v1.ts';
import { serviceAccounts } from '../client/resources.ts';
import { silentLogger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { createCluster, type TestCluster } from '../testing/create-cluster.ts';
import { KonnectivityAgent } from '../tunnel/agent/run-agent.ts';
import { type KonnectivityServer, listenKonnectivity } from '../tunnel/server/listen-konnectivity.ts';
import { createTestCredentials, type TestCredentials, until } from '../tunnel/tunnel-suite.ts';
import { reviewTokensBy } from './token-review.ts';

let cluster: TestCluster;
let credentials: TestCredentials;
let server: KonnectivityServer;
const rejections: string[] = [];
before(async () => {
  cluster = await createCluster({ controllers: false });
  credentials = await createTestCredentials();
  const { client } = cluster;
  for (const [namespace, name] of [
    ['kube-system', 'konnectivity-agent'],
    ['kube-system', 'somebody'],
    ['default', 'konnectivity-agent'],
  ] as const) {
    await client.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } });
  }
  const { certificate, key } = credentials.serverTls;
  server = await listenKonnectivity(
    {
      serverId: 'server',
      agents: {
        address: { port: 0, host: '127.0.0.1' },
        tls: { certificate, key },
        tokens: {
          namespace: 'kube-system',
          serviceAccount: 'konnectivity-agent',
          audience: 'system:konnectivity-server',
          review: reviewTokensBy(client),
        },
      },
    },
    {
      log: {
        ...silentLogger,
        warn: (_, fields) => void rejections.push(String(fields?.['error'])),
        with: () => silentLogger,
      },
      signal: new AbortController().signal,
      metrics: new Metrics(),
    },
  );
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

async function requestToken(namespace: string, account: string, audience: string): Promise<string> {
  const request: TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [audience], expirationSeconds: 3600 },
  };
  const where = { namespace, name: account, subresource: 'token' };
  const review = await cluster.client.create<TokenRequest>(serviceAccounts, request, where);
  return review.status?.token ?? '';
}

function startAgent(agentId: string, token: string, upstreamProtocolOnly: boolean): KonnectivityAgent {
  return new KonnectivityAgent(
    {
      agentId,
      server: { host: '127.0.0.1', port: server.agentPort },
      tls: { ca: credentials.ca },
      readToken: async () => token,
      upstreamProtocolOnly,
    },
    { log: silentLogger, metrics: new Metrics() },
  );
}

test('an agent with the right account’s token for the right audience is let in, on both protocols', async () => {
  const token = await requestToken('kube-system', 'konnectivity-agent', 'system:konnectivity-server');
  for (const upstreamOnly of [false, true]) {
    await using agent = startAgent('right', token, upstreamOnly);
    await until(() => agent.ready && server.agents().includes('right'));
  }
});

const refused: readonly (readonly [string, string, string, RegExp])[] = [
  ['kube-system', 'konnectivity-agent', 'https://somewhere.else', /lookup failed/],
  [
    'kube-system',
    'somebody',
    'system:konnectivity-server',
    /incoming request from somebody service account\. Expected konnectivity-agent/,
  ],
  [
    'default',
    'konnectivity-agent',
    'system:konnectivity-server',
    /incoming request from default namespace\. Expected kube-system/,
  ],
];

for (const [namespace, account, audience, reason] of refused) {
  test(`a token of ${namespace}/${account} for ${audience} is refused with the reason`, async () => {
    const token = await requestToken(namespace, account, audience);
    for (const upstreamOnly of [false, true]) {
      rejections.length = 0;
      await using agent = startAgent('wrong', token, upstreamOnly);
      await until(() => rejections.some((text) => reason.test(text)));
      assert.equal(agent.ready, false);
      assert.equal(server.agents().includes('wrong'), false);
    }
  });
}

test('a token that is none, and no token at all, are refused', async () => {
  for (const token of ['not-a-token', '']) {
    rejections.length = 0;
    await using agent = startAgent('none', token, true);
    await until(() => rejections.length > 0);
    assert.equal(agent.ready, false);
  }
});
