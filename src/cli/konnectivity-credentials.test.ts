import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { silentLogger } from '../lib/log.ts';
import { createTestCredentials, type TestCredentials } from '../tunnel/tunnel-suite.ts';
import { watchCredentials } from './konnectivity-credentials.ts';

const directory = mkdtempSync(join(tmpdir(), 'fairlead-credentials-'));
let first: TestCredentials;
let second: TestCredentials;
before(async () => {
  first = await createTestCredentials();
  second = await createTestCredentials();
});
after(() => rm(directory, { recursive: true }));

const file = (name: string) => ({ flag: `cluster-${name}`, path: join(directory, name) });
const files = { certificate: file('cert'), key: file('key'), ca: file('ca-cert') };

async function write({ serverTls, ca }: TestCredentials): Promise<void> {
  await writeFile(files.certificate.path, serverTls.certificate);
  await writeFile(files.key.path, serverTls.key);
  await writeFile(files.ca.path, ca);
}

test('certificate, key and CA are followed together, and never used while they do not fit', async () => {
  await write(first);
  await using watched = await watchCredentials(files, { log: silentLogger });
  assert.equal(watched.value.certificate, first.serverTls.certificate);
  await writeFile(files.certificate.path, second.serverTls.certificate);
  await watched.refresh();
  assert.equal(watched.value.certificate, first.serverTls.certificate);
  await write(second);
  await watched.refresh();
  assert.deepEqual(watched.value, {
    certificate: second.serverTls.certificate,
    key: second.serverTls.key,
    ca: second.ca,
  });
});

const mistakes: readonly (readonly [keyof typeof files, string, RegExp])[] = [
  ['certificate', 'nonsense', /--cluster-cert: .* holds no certificate/],
  ['key', 'nonsense', /--cluster-key: .* holds no private key/],
  ['ca', 'nonsense', /--cluster-ca-cert: .* holds no certificate/],
  [
    'ca',
    '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n',
    /--cluster-ca-cert: .* holds no certificates/,
  ],
];

test('files that are no good are refused at the start, by the name of their flag', async () => {
  for (const [kind, text, message] of mistakes) {
    await write(first);
    await writeFile(files[kind].path, text);
    await assert.rejects(watchCredentials(files, { log: silentLogger }), { name: 'ConfigError', message });
  }
  await write(first);
  await writeFile(files.key.path, second.serverTls.key);
  await assert.rejects(watchCredentials(files, { log: silentLogger }), /the key is not the one of the certificate/);
  await rm(files.key.path);
  await assert.rejects(watchCredentials(files, { log: silentLogger }), /--cluster-key: cannot read/);
});
