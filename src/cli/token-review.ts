import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ApiClient } from '../client/client.ts';
import { connectApi } from '../client/connect.ts';
import { clientConfigOf, loadKubeconfig } from '../client/kubeconfig.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { AgentTokens, TokenReviewResult } from '../tunnel/server/agent-authentication.ts';

const tokenAgeMs = 60_000;
const accountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/** A client by the kubeconfig file, else by the service account of the pod that this runs in. @throws {ConfigError} */
export async function connectByKubeconfigOrPod(kubeconfig: string | undefined): Promise<ApiClient> {
  if (kubeconfig) return connectApi(clientConfigOf(await loadKubeconfig({ env: process.env, path: kubeconfig })));
  const host = process.env['KUBERNETES_SERVICE_HOST'];
  const port = process.env['KUBERNETES_SERVICE_PORT'];
  if (!host || !port) throw new ConfigError('--kubeconfig is required outside of a pod');
  const ca = await readFile(`${accountDirectory}/ca.crt`, 'utf8');
  const token = tokenOf(`${accountDirectory}/token`);
  return connectApi({ server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, ca, token });
}

/** The kubelet renews the token in its file long before it expires. */
function tokenOf(path: string): () => string {
  let token = '';
  let readMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readMs < tokenAgeMs) return token;
    token = readFileSync(path, 'utf8').trim();
    readMs = performance.now();
    return token;
  };
}

/** Asks the API server whose token it is. */
export function reviewTokensBy(client: ApiClient): AgentTokens['review'] {
  return async (token, { audience, signal }) => {
    const body = JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [audience] },
    });
    const answer = await client.request(
      {
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/tokenreviews',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body,
      },
      { signal },
    );
    if (answer.status !== 201) throw new Error(`the API server answered the token review with ${answer.status}`);
    return parseReview(JSON.parse(Buffer.from(answer.body).toString('utf8')));
  };
}

function parseReview(review: unknown): TokenReviewResult {
  // The API server's answer to a typed path; each field is checked before it is used.
  const status = (review as { status?: { authenticated?: unknown; error?: unknown; user?: { username?: unknown } } })
    .status;
  return {
    authenticated: status?.authenticated === true,
    ...(typeof status?.error === 'string' && { error: status.error }),
    ...(typeof status?.user?.username === 'string' && { username: status.user.username }),
  };
}
