import { type HttpsProbe, probeHttps } from './https-probe.ts';
import type { PathResult } from './path-report.ts';

/** Where the API server is, and what is shown to it. */
export type ApiServerAccess = Pick<HttpsProbe, 'host' | 'port' | 'ca' | 'serverName' | 'certificate' | 'token'>;

const selfReview = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });

/** Who calls, by what it shows, and whether that may be read back from the API server. */
export async function probeCaller(
  access: ApiServerAccess,
  { path, title, from, signal }: { path: string; title: string; from: string; signal: AbortSignal },
): Promise<PathResult> {
  const hop = { from, to: 'kube-apiserver', address: `${access.host}:${access.port}` };
  try {
    const answer = await probeHttps({
      ...access,
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: selfReview,
      signal,
    });
    if (answer.status !== 201) {
      const cause = `the API server answered ${answer.status}: ${messageOf(answer.body)}`;
      return { path, title, verdict: 'broken', hops: [{ ...hop, ...answer.hop }], cause, next: 'kubectl auth whoami' };
    }
    const identity = (JSON.parse(answer.body) as SelfSubjectReview).status.userInfo.username;
    return { path, title, verdict: 'proved', hops: [{ ...hop, ...answer.hop, identity, authorization: 'allowed' }] };
  } catch (error) {
    return { path, title, verdict: 'broken', hops: [hop], cause: causeOf(error), next: 'fairlead certs' };
  }
}

interface SelfSubjectReview {
  readonly status: { readonly userInfo: { readonly username: string } };
}

/** Shows credentials that must not be believed: proved is only what is refused as unauthenticated. */
export async function probeRefusal(
  access: ApiServerAccess,
  { path, title, signal, anonymous = false }: { path: string; title: string; signal: AbortSignal; anonymous?: boolean },
): Promise<PathResult> {
  const hop = { from: 'nobody', to: 'kube-apiserver', address: `${access.host}:${access.port}` };
  try {
    const answer = await probeHttps({ ...access, path: '/api/v1/namespaces', signal });
    const hops = [{ ...hop, ...answer.hop, authorization: `refused with ${answer.status}` }];
    // Where anonymous requests are allowed, who shows nothing is somebody, and has no rights.
    if (answer.status === 401 || (anonymous && answer.status === 403)) return { path, title, verdict: 'proved', hops };
    const cause = `the API server answered ${answer.status} where 401 was due`;
    return { path, title, verdict: 'unverified', hops: [{ ...hop, ...answer.hop }], cause };
  } catch (error) {
    // Refused in the handshake is refused; whether the server is there at all is what the other probes tell.
    const refused = /alert|ECONNRESET|socket hang up/.test(causeOf(error));
    if (refused)
      return { path, title, verdict: 'proved', hops: [{ ...hop, authorization: 'refused in the handshake' }] };
    return { path, title, verdict: 'broken', hops: [hop], cause: causeOf(error) };
  }
}

/** The reason in one line, with the causes that it does not repeat. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error.cause instanceof Error ? causeOf(error.cause) : '';
  return inner === '' || error.message.includes(inner) ? error.message : `${error.message}: ${inner}`;
}

function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message ?? body);
  } catch {
    return body.slice(0, 200);
  }
}
