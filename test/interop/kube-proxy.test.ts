import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runKubeProxy } from '../../src/kube-proxy/run-kube-proxy.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createCluster } from '../../src/testing/create-cluster.ts';
import { type BedOwner, createNetworkBed, missingBed } from './kube-proxy/network-bed.ts';
import { ServiceObjects } from './kube-proxy/service-objects.ts';

for (const owner of ['root', 'nobody'] as const satisfies BedOwner[]) {
  test(`rules of ${owner}: a cluster address reaches endpoints from the host and from a pod`, {
    skip: missingBed(owner),
    timeout: 60_000,
  }, async () => {
    await using cluster = await createCluster({ controllers: false });
    await using bed = await createNetworkBed(owner);
    const [a, b] = [await bed.addPod('a'), await bed.addPod('b')];
    await a.listen(8080, { name: 'a' });
    const objects = new ServiceObjects(cluster.client);
    const web = await objects.create('web');
    await objects.serve('web', [{ addresses: [a.address], nodeName: 'n' }]);
    await using proxy = await runKubeProxy(
      { nodeName: 'n', nodeAddresses: [bed.node.address], commandPrefix: bed.prefix },
      { client: cluster.client, log: silentLogger },
    );
    await proxy.synced;
    const vip = web.spec?.clusterIP ?? '';
    assert.equal((await bed.node.ask(vip, 80)).name, 'a');
    assert.deepEqual(await b.ask(vip, 80), { name: 'a', seen: b.address });
  });
}
