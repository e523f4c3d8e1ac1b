import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBootstrapTokenSecret, formatBootstrapToken } from '../../src/auth/bootstrap-tokens.ts';
import { secrets } from '../../src/client/resources.ts';
import { createJoinToken } from '../../src/cluster/join-token.ts';
import { createLogger } from '../../src/lib/log.ts';
import { callHttps, createToken, openBed, untilServiceAccount } from './test-bed.ts';

test('no secret and no token is ever in a log or an error text, at the highest verbosity', async () => {
  const lines: string[] = [];
  const errors: string[] = [];
  const forbidden = new Map<string, string>();
  {
    const logger = createLogger({ level: 'debug', write: (line) => void lines.push(line) });
    await using bed = await openBed({ log: logger });
    const { client, server } = bed.cluster;
    const node = await bed.cluster.addNode({ runtime: 'simulated', exec: () => ({ exitCode: 1 }) });
    await untilServiceAccount(bed.cluster);
    const { secret, token } = createBootstrapTokenSecret({});
    await client.create(secrets, secret);
    const join = await createJoinToken(client, { server, caPin: bed.pki.cluster.pin });
    const account = await createToken(bed, 'default');
    const value = 'hunter2-is-no-password';
    forbidden.set('a Secret', value);
    forbidden.set('a Secret, encoded', Buffer.from(value).toString('base64'));
    forbidden.set('a bootstrap token', token.secret);
    forbidden.set('a join token', join.token.split('.')[1] ?? '');
    forbidden.set('a join string', join.joinString);
    forbidden.set('a service account token', account.split('.')[2] ?? '');
    forbidden.set('a private key', 'PRIVATE KEY');
    const wrong = `${account.slice(0, -40)}${'A'.repeat(40)}`;
    forbidden.set('a token that was refused', 'A'.repeat(40));

    const v1 = '/api/v1/namespaces/default';
    const admin = { certificate: bed.admin };
    await bed.create(`${v1}/secrets`, { metadata: { name: 's' }, stringData: { key: value } });
    await bed.create(`${v1}/pods`, {
      metadata: { name: 'p' },
      spec: {
        nodeName: node.name,
        containers: [
          { name: 'c', image: 'x', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'key' } } }] },
        ],
      },
    });
    const bootstrap = formatBootstrapToken(token);
    const calls = [
      bed.call(`${v1}/secrets/s`, admin),
      bed.call(`${v1}/secrets/s`, { token: wrong }),
      bed.call(`${v1}/secrets/s?token=${account}&access_token=${bootstrap}`, { token: 'no' }),
      bed.call(`${v1}/secrets/s`, {
        headers: { authorization: `Basic ${Buffer.from(`a:${value}`).toString('base64')}` },
      }),
      bed.call(`${v1}/secrets/s`, { token: account }),
      bed.call(`${v1}/secrets/s`, { token: bootstrap }),
      bed.call(`${v1}/secrets/s`, {
        headers: {
          'sec-websocket-protocol': `base64url.bearer.authorization.k8s.io.${Buffer.from(wrong).toString('base64url')}, v4.channel.k8s.io`,
        },
      }),
      bed.call('/api/v1/nodes', { token: join.token }),
      bed.call(`${v1}/secrets`, {
        ...admin,
        method: 'POST',
        body: `{"metadata":{"name":"s"},"stringData":{"key":"${value}"},"data":7}`,
      }),
      bed.call(`${v1}/secrets`, {
        ...admin,
        method: 'POST',
        body: `{"metadata":{"name":"S!"},"stringData":{"key":"${value}"}}`,
      }),
      bed.call(`${v1}/secrets`, {
        ...admin,
        method: 'POST',
        body: `{"metadata":{"name":"t"},"data":{"key":"${value}!"}}`,
      }),
      bed.call(`${v1}/secrets`, {
        ...admin,
        method: 'POST',
        body: `{"metadata":{"name":"t"},"stringData":{"key":"${value}"`,
      }),
      bed.call(`${v1}/secrets/s`, {
        ...admin,
        method: 'PUT',
        body: { metadata: { name: 's', resourceVersion: '1' }, stringData: { key: value } },
      }),
      bed.call('/apis/authentication.k8s.io/v1/tokenreviews', {
        ...admin,
        method: 'POST',
        body: { spec: { token: wrong } },
      }),
      callHttps(`https://127.0.0.1:${node.port}`, `/pods?token=${account}`, {
        ca: bed.pki.kubeletServing.certificatePem,
        servername: node.name,
        token: wrong,
      }),
      callHttps(`https://127.0.0.1:${node.port}`, '/exec/default/p/c', {
        ca: bed.pki.kubeletServing.certificatePem,
        servername: node.name,
        token: bootstrap,
      }),
    ];
    for (const { status, body } of await Promise.all(calls)) if (status >= 400) errors.push(body);
    const listed = await bed.call('/api/v1/namespaces/default/events', admin);
    errors.push(listed.body, (await bed.call('/metrics', admin)).body);
    const pods = await bed.call(`${v1}/pods`, admin);
    errors.push(pods.body);
  }
  assert.ok(lines.length > 5, 'something was logged');
  assert.ok(errors.length > 12);
  for (const [what, text] of forbidden) {
    const line = lines.find((each) => each.includes(text));
    assert.equal(line, undefined, `${what} in the log`);
    const error = errors.find((each) => each.includes(text));
    assert.equal(error, undefined, `${what} in an answer`);
  }
});
