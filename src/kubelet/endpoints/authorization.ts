import type { SubjectAccessReview } from '../../api/kubernetes/authorization-v1.ts';
import { ExpiringCache } from '../../auth/expiring-cache.ts';
import type { UserInfo } from '../../auth/user.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';

export interface KubeletAuthorizerOptions {
  readonly nodeName: string;
  /** POSTs to `/apis/authorization.k8s.io/v1/subjectaccessreviews` and gives what came back. */
  readonly post: (review: SubjectAccessReview, options: { signal: AbortSignal }) => Promise<SubjectAccessReview>;
  readonly clock?: Clock;
}

export type KubeletDecision =
  | { readonly allowed: true }
  /** `message` is the body of the 403. */
  | { readonly allowed: false; readonly message: string };

const allowMs = 300_000;
const denyMs = 30_000;
const timeoutMs = 10_000;
const maxAnswers = 4096;

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Prefixes by path segment, with the subresources of the node that are asked for in order. */
const subresourcesByPath: readonly (readonly [prefix: string, subresources: readonly string[]])[] = [
  ['/stats', ['stats']],
  ['/metrics', ['metrics']],
  ['/logs', ['log']],
  ['/checkpoint', ['checkpoint']],
  ['/pods', ['pods', 'proxy']],
  ['/runningpods', ['pods', 'proxy']],
  ['/healthz', ['healthz', 'proxy']],
  ['/configz', ['configz', 'proxy']],
  ['/statusz', ['statusz', 'proxy']],
  ['/flagz', ['configz', 'proxy']],
];

/** Source: kubelet `pkg/kubelet/server/auth.go`. */
export function subresourcesOf(path: string): readonly string[] {
  const found = subresourcesByPath.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`));
  return found?.[1] ?? ['proxy'];
}

/** May a user use an endpoint of this kubelet? The API server is asked; its answers are kept: yes 5 min, no 30 s. */
export class KubeletAuthorizer {
  readonly #options: KubeletAuthorizerOptions;
  readonly #clock: Clock;
  readonly #answers: ExpiringCache<boolean>;

  constructor(options: KubeletAuthorizerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#answers = new ExpiringCache({ maxEntries: maxAnswers, clock: this.#clock });
  }

  /** @throws {Error} when the API server cannot be asked: 500 */
  async authorize(user: UserInfo, { method, path }: { method: string; path: string }): Promise<KubeletDecision> {
    const verb = verbs[method] ?? '';
    const subresources = subresourcesOf(path);
    for (const subresource of subresources) {
      if (await this.#ask(user, verb, subresource)) return { allowed: true };
    }
    const list = subresources.join(' ');
    const message = `Forbidden (user=${user.username}, verb=${verb}, resource=nodes, subresource(s)=[${list}])`;
    return { allowed: false, message };
  }

  async #ask(user: UserInfo, verb: string, subresource: string): Promise<boolean> {
    const key = JSON.stringify([user.username, user.uid, user.groups, user.extra, verb, subresource]);
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const review: SubjectAccessReview = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: user.username,
        uid: user.uid,
        groups: [...user.groups],
        extra: Object.fromEntries(Object.entries(user.extra).map(([name, values]) => [name, [...values]])),
        resourceAttributes: {
          verb,
          group: '',
          version: 'v1',
          resource: 'nodes',
          subresource,
          name: this.#options.nodeName,
        },
      },
    };
    const answer = await this.#options.post(review, { signal: AbortSignal.timeout(timeoutMs) });
    const allowed = answer.status?.allowed === true && answer.status.denied !== true;
    this.#answers.set(key, allowed, this.#clock.now() + (allowed ? allowMs : denyMs));
    return allowed;
  }
}
