import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptPortForward } from './port-forward-server.ts';
import { acceptRemoteCommand } from './remote-command-server.ts';
import { HandshakeError } from './upgrade.ts';
import { exchangeRaw, listenUpgrades } from './upgrade-server-suite.ts';

const never = new AbortController().signal;
const streams = { stdin: true, stdout: true, stderr: true, tty: false };
const spdy = 'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n';
const websocket =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

const refusals: Record<string, { request: string; status: number; answer: RegExp }> = {
  'SPDY without a stream protocol': { request: `POST /exec HTTP/1.1\r\n${spdy}`, status: 400, answer: /is required/ },
  'SPDY with an unknown stream protocol': {
    request: `POST /exec HTTP/1.1\r\n${spdy}X-Stream-Protocol-Version: v9.channel.k8s.io\r\n`,
    status: 403,
    answer: /X-Accepted-Stream-Protocol-Versions: v4\.channel\.k8s\.io\r\nX-Accepted-Stream-Protocol-Versions: v3/,
  },
  'another upgrade': {
    request: 'POST /exec HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n',
    status: 400,
    answer: /missing upgrade headers/,
  },
  'WebSocket with an unknown subprotocol': {
    request: `GET /exec HTTP/1.1\r\n${websocket}Sec-WebSocket-Protocol: v9.channel.k8s.io\r\n`,
    status: 403,
    answer: /none of the protocols \[v9\.channel\.k8s\.io\]/,
  },
  'WebSocket of another version': {
    request: `GET /exec HTTP/1.1\r\n${websocket.replace('13', '12')}`,
    status: 400,
    answer: /Sec-WebSocket-Version: 13/,
  },
  'WebSocket without a key': {
    request: `GET /exec HTTP/1.1\r\n${websocket.replace(/Sec-WebSocket-Key.*\r\n/, '')}`,
    status: 400,
    answer: /Sec-WebSocket-Key/,
  },
  'WebSocket by POST': { request: `POST /exec HTTP/1.1\r\n${websocket}`, status: 405, answer: /must use GET/ },
};

for (const [what, { request, status, answer }] of Object.entries(refusals)) {
  test(`${what} is answered ${status} and closed`, async () => {
    await using server = await listenUpgrades(async (upgrade) => {
      await acceptRemoteCommand(upgrade, { ...streams, signal: never });
    });
    const text = await exchangeRaw(server, `${request}Host: kubelet\r\n\r\n`);
    assert.ok(text.startsWith(`HTTP/1.1 ${status} `), text);
    assert.match(text, answer);
    assert.ok(server.errors[0] instanceof HandshakeError);
  });
}

test('several protocols in one header line are read in order', async () => {
  await using server = await listenUpgrades(async (upgrade) => {
    const command = acceptRemoteCommand(upgrade, { ...streams, signal: never });
    upgrade.socket.end();
    await command;
  });
  const offer = 'X-Stream-Protocol-Version: v9.channel.k8s.io, v3.channel.k8s.io, v4.channel.k8s.io\r\n';
  const text = await exchangeRaw(server, `POST /exec HTTP/1.1\r\n${spdy}${offer}Host: kubelet\r\n\r\n`);
  assert.match(text, /^HTTP\/1\.1 101 [\s\S]*X-Stream-Protocol-Version: v3\.channel\.k8s\.io\r\n/);
});

test('the older port-forward needs ports in its query', async () => {
  await using server = await listenUpgrades(async (upgrade) => void acceptPortForward(upgrade, { signal: never }));
  const text = await exchangeRaw(server, `GET /portForward HTTP/1.1\r\n${websocket}Host: kubelet\r\n\r\n`);
  assert.match(text, /^HTTP\/1\.1 400 [\s\S]*query parameter "port" is required/);
});
