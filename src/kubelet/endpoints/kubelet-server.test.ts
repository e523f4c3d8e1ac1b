import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as send } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { SubjectAccessReview } from '../../api/kubernetes/authorization-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { bearerTokenAuthenticator } from '../../auth/authentication/bearer-token.ts';
import { clientCertificateAuthenticator } from '../../auth/authentication/client-certificate.ts';
import { tokenReviewAuthenticator } from '../../auth/authentication/token-review.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { openClusterPki } from '../../pki/authority.ts';
import type { IssuedCertificate } from '../../pki/certificate-authority.ts';
import { LoopbackPodNetwork } from '../loopback-pod-network.ts';
import { PodManager } from '../pods/pod-manager.ts';
import { SimulatedRuntime } from '../runtimes/simulated/simulated-runtime.ts';
import { KubeletAuthorizer, subresourcesOf } from './authorization.ts';
import { listenKubelet } from './kubelet-server.ts';
import { createUsageRates } from './usage-rates.ts';

test('who shows no credentials, or wrong ones, gets 401', async () => {
  await using bed = await openBed();
  const other = await openClusterPki({ clock: systemClock, log: silentLogger });
  const foreign = await other.cluster.issue({
    commonName: 'admin',
    organizations: ['system:masters'],
    usages: ['client'],
  });
  const server = await bed.pki.cluster.issue({ commonName: 'admin', usages: ['server'] });
  const cases: [string, Call][] = [
    ['nothing', {}],
    ['a certificate of another cluster', { certificate: foreign }],
    ['a certificate for servers', { certificate: server }],
    ['an unknown token', { token: 'unknown' }],
  ];
  for (const [what, call] of cases) {
    assert.deepEqual(await bed.call('/pods', call), { status: 401, body: 'Unauthorized\n' }, what);
  }
});

test('who is known but not allowed gets 403 that names what was asked', async () => {
  await using bed = await openBed();
  const nobody = await bed.pki.cluster.issue({ commonName: 'nobody', usages: ['client'] });
  const get = await bed.call('/pods', { certificate: nobody });
  const denied = 'Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[pods proxy])\n';
  assert.deepEqual(get, { status: 403, body: denied });
  const run = await bed.call('/run/default/web/main?cmd=id', { certificate: nobody, method: 'POST' });
  assert.deepEqual(run, {
    status: 403,
    body: 'Forbidden (user=nobody, verb=create, resource=nodes, subresource(s)=[proxy])\n',
  });
});

test('an exec without rights is refused before the connection is taken over', async () => {
  await using bed = await openBed();
  const nobody = await bed.pki.cluster.issue({ commonName: 'nobody', usages: ['client'] });
  const headers = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };
  const path = '/exec/default/web/main?command=id&output=1';
  const refused = await bed.call(path, { certificate: nobody, method: 'POST', headers });
  assert.equal(refused.status, 403);
  const open = await bed.call(path, { method: 'POST', headers });
  assert.equal(open.status, 401);
});

test('answers are asked for once: the same caller is allowed from the cache', async () => {
  await using bed = await openBed();
  for (let round = 0; round < 3; round++)
    assert.equal((await bed.call('/pods', { certificate: bed.admin })).status, 200);
  assert.deepEqual(
    bed.reviews.map(({ spec }) => spec?.resourceAttributes?.subresource),
    ['pods'],
  );
  assert.equal(bed.reviews[0]?.spec?.resourceAttributes?.name, 'node-1');
});

test('a token that the API server knows is as good as a certificate', async () => {
  await using bed = await openBed();
  assert.equal((await bed.call('/healthz', { token: 'good' })).body, 'ok');
});

test('an API server that cannot be asked means no', async () => {
  await using bed = await openBed({ broken: true });
  assert.equal((await bed.call('/pods', { certificate: bed.admin })).status, 500);
});

test('logs, health, lists, configuration and metrics are served', async () => {
  await using bed = await openBed();
  const get = (path: string) => bed.call(path, { certificate: bed.admin });
  assert.equal((await get('/containerLogs/default/web/main')).body, 'one\ntwo\nthree\n');
  assert.equal((await get('/containerLogs/default/web/main?tailLines=1')).body, 'three\n');
  assert.deepEqual(await get('/containerLogs/default/web/main?tailLines=-1'), {
    status: 422,
    body: '{"message": "Invalid request."}\n',
  });
  assert.deepEqual(await get('/containerLogs/default/web/no'), {
    status: 404,
    body: 'container "no" not found in pod "web"\n',
  });
  assert.deepEqual(await get('/containerLogs/default/no/main'), { status: 404, body: 'pod "no" does not exist\n' });
  const { items } = JSON.parse((await get('/pods')).body) as { items: Pod[] };
  assert.deepEqual(
    items.map(({ metadata, status }) => [metadata?.name, status?.phase]),
    [['web', 'Running']],
  );
  assert.equal(JSON.parse((await get('/runningpods/')).body).items.length, 1);
  assert.equal(JSON.parse((await get('/configz')).body).kubeletconfig.kind, 'KubeletConfiguration');
  assert.equal(JSON.parse((await get('/stats/summary')).body).pods[0].podRef.name, 'web');
  assert.match(
    (await get('/metrics/resource')).body,
    /^container_memory_working_set_bytes\{container="main",namespace="default",pod="web"\} 0 \d+$/m,
  );
  assert.equal((await get('/metrics/cadvisor')).status, 200);
  assert.equal((await get('/nothing')).status, 404);
  assert.equal((await get('/exec/default/web/main')).status, 400);
  assert.equal((await bed.call('/pods', { certificate: bed.admin, method: 'DELETE' })).status, 405);
  const ran = await bed.call('/run/default/web/main?cmd=echo%20x', { certificate: bed.admin, method: 'POST' });
  assert.deepEqual(ran, { status: 200, body: 'ran echo x\n' });
});

test('a new serving certificate is shown to new connections, and present ones go on', async () => {
  await using bed = await openBed();
  const socket = connect({
    port: bed.port,
    host: '127.0.0.1',
    ca: bed.pki.kubeletServing.certificatePem,
    servername: 'node-1',
  });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const before = socket.getPeerCertificate().serialNumber;
  await bed.renew();
  const again = connect({
    port: bed.port,
    host: '127.0.0.1',
    ca: bed.pki.kubeletServing.certificatePem,
    servername: 'node-1',
  });
  await new Promise((resolve) => again.once('secureConnect', resolve));
  assert.notEqual(again.getPeerCertificate().serialNumber, before);
  socket.end('GET /pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.1 401 /);
  again.destroy();
});

test('paths map to subresources by whole segments', () => {
  const cases: [string, string][] = [
    ['/stats/summary', 'stats'],
    ['/metrics', 'metrics'],
    ['/metrics/resource', 'metrics'],
    ['/metricsx', 'proxy'],
    ['/logs/', 'log'],
    ['/pods', 'pods proxy'],
    ['/runningpods/', 'pods proxy'],
    ['/healthz/ping', 'healthz proxy'],
    ['/configz', 'configz proxy'],
    ['/exec/a/b/c', 'proxy'],
    ['/containerLogs/a/b/c', 'proxy'],
    ['/', 'proxy'],
  ];
  for (const [path, expected] of cases) assert.equal(subresourcesOf(path).join(' '), expected, path);
});

interface Call {
  readonly certificate?: IssuedCertificate;
  readonly token?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** A kubelet with one simulated pod; `admin` and the token `good` may do everything. */
async function openBed({ broken = false } = {}) {
  await using stack = new AsyncDisposableStack();
  const dataDirectory = await mkdtemp(join(tmpdir(), 'fairlead-kubelet-'));
  stack.defer(() => rm(dataDirectory, { recursive: true, force: true }));
  const pki = await openClusterPki({ clock: systemClock, log: silentLogger });
  const admin = await pki.cluster.issue({ commonName: 'admin', usages: ['client'] });
  const runtime = stack.use(
    new SimulatedRuntime(
      {
        logs: () => ['one', 'two', 'three'],
        exec: (_container, { command }) => ({ stdout: `ran ${command.join(' ')}\n` }),
      },
      { version: '0' },
    ),
  );
  const running = Promise.withResolvers<void>();
  const manager = new PodManager(
    {
      client: {
        patch: async (_resource, _ref, patch) => {
          if ((patch as Pod).status?.phase === 'Running') running.resolve();
          return {} as never; // nobody looks at the answer
        },
        delete: async () => {},
      },
      nodeName: 'node-1',
      hostIp: '127.0.0.1',
      dataDirectory,
      network: new LoopbackPodNetwork(),
      resources: {
        configMap: async () => undefined,
        secret: async () => undefined,
        token: async () => '',
        services: () => [],
      },
      apiServer: undefined,
      clock: systemClock,
      log: silentLogger,
      runtimeFor: () => runtime,
      record: () => {},
      probed: () => {},
    },
    [runtime],
  );
  stack.use(manager);
  const pod: Pod = {
    metadata: { name: 'web', namespace: 'default', uid: 'u' },
    spec: { containers: [{ name: 'main', image: 'x' }] },
  };
  manager.apply({ type: 'added', object: pod });
  await running.promise;
  const reviews: SubjectAccessReview[] = [];
  const tokens = tokenReviewAuthenticator({
    post: async (review) => ({
      ...review,
      status:
        review.spec.token === 'good' ? { authenticated: true, user: { username: 'admin' } } : { authenticated: false },
    }),
  });
  const authorizer = new KubeletAuthorizer({
    nodeName: 'node-1',
    post: async (review) => {
      if (broken) throw new Error('no route');
      reviews.push(review);
      return { ...review, status: { allowed: review.spec?.user === 'admin' } };
    },
  });
  const authorities = [pki.cluster.certificate];
  const server = stack.use(
    await listenKubelet({
      host: '127.0.0.1',
      port: 0,
      authenticators: [
        clientCertificateAuthenticator({ authorities: () => authorities }),
        bearerTokenAuthenticator({ authenticators: [tokens], apiAudiences: [] }),
      ],
      authorizer,
      api: {
        nodeName: 'node-1',
        manager,
        runtimes: [runtime],
        metrics: new Metrics(),
        log: silentLogger,
        dataDirectory,
        startedAtMs: Date.now(),
        configuration: { kind: 'KubeletConfiguration' },
        healthChecks: { ping: () => undefined },
        usage: createUsageRates(),
      },
      log: silentLogger,
    }),
  );
  const renew = async () => {
    const serving = await pki.kubeletServing.issue({
      commonName: 'system:node:node-1',
      dnsNames: ['node-1'],
      usages: ['server'],
    });
    server.setCertificate({ certificate: serving.certificatePem, key: serving.privateKeyPem });
  };
  await renew();
  const owned = stack.move();
  return {
    pki,
    admin,
    reviews,
    renew,
    port: server.port,
    call(
      path: string,
      { certificate, token, method = 'GET', headers = {} }: Call,
    ): Promise<{ status: number; body: string }> {
      return new Promise((resolve, reject) => {
        const request = send(
          {
            host: '127.0.0.1',
            port: server.port,
            path,
            method,
            agent: false,
            ca: pki.kubeletServing.certificatePem,
            servername: 'node-1',
            headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
            ...(certificate && { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
          },
          async (response) => resolve({ status: response.statusCode ?? 0, body: await text(response) }),
        );
        request.on('error', reject);
        request.end();
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
