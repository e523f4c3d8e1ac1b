import { ApiError } from '../../api/errors.ts';
import type { TokenRequest } from '../../api/kubernetes/authentication-v1.ts';
import type { ConfigMap, Pod, Secret, Service } from '../../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { configMaps, secrets, serviceAccounts } from '../../client/resources.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';

/** What a pod refers to, as environment and volumes need it. `undefined`: there is no such object. */
export interface PodResources {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  token(pod: Pod, request: { audience: string | undefined; expirationSeconds: number }): Promise<string>;
  /** Services of the pod's namespace, and `default/kubernetes`. */
  services(namespace: string): readonly Service[];
}

interface HeldToken {
  readonly token: string;
  readonly refreshAtMs: number;
  readonly expiresAtMs: number;
}

const maxTokens = 4096;
const dayMs = 86_400_000;
const maxJitterMs = 10_000;

/** Reads objects through the node's own client, and keeps pods' tokens until they are due for renewal. */
export class ApiPodResources implements PodResources {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #services: (namespace: string) => readonly Service[];
  readonly #tokens = new Map<string, HeldToken>();

  constructor(client: ApiClient, options: { services: (namespace: string) => readonly Service[]; clock?: Clock }) {
    this.#client = client;
    this.#services = options.services;
    this.#clock = options.clock ?? systemClock;
  }

  configMap(namespace: string, name: string): Promise<ConfigMap | undefined> {
    return orUndefined(this.#client.get<ConfigMap>(configMaps, { namespace, name }));
  }

  secret(namespace: string, name: string): Promise<Secret | undefined> {
    return orUndefined(this.#client.get<Secret>(secrets, { namespace, name }));
  }

  services(namespace: string): readonly Service[] {
    return this.#services(namespace);
  }

  /**
   * A token bound to the pod. It is renewed at 80 % of its life, or after a day; while renewing fails, the old one is used until it expires.
   * Source: kubelet `pkg/kubelet/token/token_manager.go`.
   */
  async token(pod: Pod, request: { audience: string | undefined; expirationSeconds: number }): Promise<string> {
    const key = JSON.stringify([pod.metadata?.uid, pod.spec?.serviceAccountName, request]);
    const held = this.#tokens.get(key);
    const nowMs = this.#clock.now();
    if (held && nowMs < held.refreshAtMs) return held.token;
    try {
      const fresh = await this.#request(pod, request);
      this.#tokens.delete(key);
      this.#tokens.set(key, fresh);
      const [oldest] = this.#tokens.keys();
      if (this.#tokens.size > maxTokens && oldest !== undefined) this.#tokens.delete(oldest);
      return fresh.token;
    } catch (error) {
      if (held && nowMs < held.expiresAtMs) return held.token;
      throw error;
    }
  }

  async #request(
    pod: Pod,
    { audience, expirationSeconds }: { audience: string | undefined; expirationSeconds: number },
  ) {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const body: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === undefined ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const answer = await this.#client.create<TokenRequest>(serviceAccounts, body, {
      namespace,
      name: pod.spec?.serviceAccountName || 'default',
      subresource: 'token',
    });
    const expiresAtMs = Date.parse(answer.status?.expirationTimestamp ?? '');
    const token = answer.status?.token;
    if (!token || Number.isNaN(expiresAtMs)) throw new Error('the API server answered a token request without a token');
    const lifeMs = (answer.spec?.expirationSeconds ?? expirationSeconds) * 1000;
    const jitterMs = Math.random() * maxJitterMs;
    const refreshAtMs = Math.min(expiresAtMs - lifeMs * 0.2, expiresAtMs - lifeMs + dayMs) - jitterMs;
    return { token, expiresAtMs, refreshAtMs };
  }
}

async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}
