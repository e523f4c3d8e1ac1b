import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PathReport } from '../../src/doctor/path-report.ts';
import { startCli } from '../nodes/cli-process.ts';
import { type FairleadProcess, startUp } from './fairlead-process.ts';

describe('fairlead doctor on the quick start', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-doctor-'));
  let cluster: FairleadProcess;
  before(async () => {
    cluster = await startUp({ directory });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const doctor = async (...args: string[]) => {
    await using cli = startCli(['doctor', '--data-dir', join(cluster.directory, 'data'), ...args]);
    const code = await cli.ended();
    return { code, output: cli.output };
  };

  test('exits with 0 and tells who proved what on each path', async () => {
    const { code, output } = await doctor();
    assert.equal(code, 0, output);
    assert.match(output, /√ user → API server +TLSv1\.3, kube-apiserver verified as 127\.0\.0\.1.*as kubernetes-admin/);
    assert.match(output, /√ API server → kubelet: exec \(demo\).*verified as demo by kubelet-serving-ca/);
    assert.match(output, /√ refused: an expired certificate.*refused with 401/);
    assert.match(output, /- API server → webhooks/);
  });

  test('one path of one node, as JSON', async () => {
    const { code, output } = await doctor('--path', 'apiserver-kubelet-logs', '--node', 'demo', '-o', 'json');
    assert.equal(code, 0, output);
    const report: PathReport = JSON.parse(output);
    assert.equal(report.apiVersion, 'fairlead.dev/v1');
    assert.deepEqual(
      report.items.map(({ path, node, verdict }) => [path, node, verdict]),
      [['apiserver-kubelet-logs', 'demo', 'proved']],
    );
  });

  test('exits with 3 where the API server is gone, and says where', async () => {
    await cluster.interrupt();
    const { code, output } = await doctor();
    assert.equal(code, 3, output);
    assert.match(output, /× user → API server[\s\S]*cause: .*ECONNREFUSED/);
  });
});
