import { request } from 'node:https';
import type { ConfigMap } from '../../api/kubernetes/core-v1.ts';
import { parseYaml } from '../../lib/yaml.ts';
import { certificatePin, parseCertificates } from '../../pki/certificate.ts';

const path = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
const maxBytes = 1 << 20;
const timeoutMs = 10_000;

/**
 * Finds the cluster's CA by its pin: asks the API server for `cluster-info` without trusting it, takes the CA whose public key has
 * the pinned digest, and asks again verified by that CA; both answers must be the same. Source: kubeadm `discovery/token`.
 * @returns PEM of the CA
 */
export async function discoverCluster(server: string, caPin: string, signal: AbortSignal): Promise<string> {
  const untrusted = await fetchKubeconfig(server, { signal });
  const bundle = readCa(untrusted);
  const pinned = parseCertificates(bundle).find((certificate) => certificatePin(certificate.toString()) === caPin);
  if (!pinned) {
    throw new Error(`the API server at ${server} shows another cluster CA than the one that was pinned (${caPin})`);
  }
  const ca = pinned.toString();
  const verified = await fetchKubeconfig(server, { ca, signal });
  if (verified !== untrusted) throw new Error(`the API server at ${server} gave two different cluster-info answers`);
  return ca;
}

function readCa(kubeconfig: string): string {
  const parsed = parseYaml(kubeconfig) as { clusters?: { cluster?: Record<string, unknown> }[] } | null;
  const data = parsed?.clusters?.[0]?.cluster?.['certificate-authority-data'];
  if (typeof data !== 'string') throw new Error('cluster-info holds no certificate authority');
  return Buffer.from(data, 'base64').toString();
}

/** What comes without `ca` may be anyone's: it is only compared with the pin. */
function fetchKubeconfig(server: string, options: { ca?: string; signal: AbortSignal }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { ca } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  const call = request(
    `${server}${path}`,
    { agent: false, signal, ...(ca === undefined ? { rejectUnauthorized: false } : { ca }) },
    async (response) => {
      try {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) {
          text += chunk;
          if (text.length > maxBytes) throw new Error('cluster-info is too large');
        }
        if (response.statusCode !== 200) throw new Error(`cluster-info answered ${response.statusCode}: ${text}`);
        const kubeconfig = (JSON.parse(text) as ConfigMap).data?.['kubeconfig'];
        if (kubeconfig === undefined) throw new Error('cluster-info has no kubeconfig');
        resolve(kubeconfig);
      } catch (error) {
        reject(error);
      }
    },
  );
  call.on('error', (cause) =>
    reject(new Error(`cannot reach the API server at ${server}: ${cause.message}`, { cause })),
  );
  call.end();
  return promise;
}
