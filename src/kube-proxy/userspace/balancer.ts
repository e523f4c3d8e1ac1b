import { type Endpoint, endpointKey } from '../endpoint.ts';

/** So many clients are remembered for one port; who came longest ago is forgotten first. */
const maxClients = 10_000;

/** Chooses an endpoint for each new connection: in turn, starting anywhere, or with affinity the one that the client had before. */
export class Balancer {
  #endpoints: readonly Endpoint[] = [];
  #keys = new Set<string>();
  #affinityMs: number | undefined;
  #next = 0;
  readonly #now: () => number;
  readonly #clients = new Map<string, { key: string; untilMs: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#endpoints.length;
  }

  update(endpoints: readonly Endpoint[], affinitySeconds: number | undefined): void {
    this.#endpoints = endpoints;
    this.#keys = new Set(endpoints.map(endpointKey));
    this.#affinityMs = affinitySeconds === undefined ? undefined : affinitySeconds * 1000;
    if (this.#affinityMs === undefined) this.#clients.clear();
    this.#next = Math.floor(Math.random() * endpoints.length);
  }

  has(endpoint: Endpoint): boolean {
    return this.#keys.has(endpointKey(endpoint));
  }

  /** @param avoid endpoints that just failed: they are chosen only if there is no other */
  choose(client: string, avoid: ReadonlySet<Endpoint> = new Set()): Endpoint | undefined {
    const remembered = this.#remembered(client);
    if (remembered && !avoid.has(remembered)) return this.#remember(client, remembered);
    const count = this.#endpoints.length;
    let chosen: Endpoint | undefined;
    for (let tries = 0; tries < count; tries++) {
      chosen = this.#endpoints[this.#next++ % count];
      if (chosen && !avoid.has(chosen)) break;
    }
    return chosen && this.#remember(client, chosen);
  }

  #remembered(client: string): Endpoint | undefined {
    const entry = this.#clients.get(client);
    if (!entry || entry.untilMs < this.#now() || !this.#keys.has(entry.key)) return undefined;
    return this.#endpoints.find((endpoint) => endpointKey(endpoint) === entry.key);
  }

  #remember(client: string, endpoint: Endpoint): Endpoint {
    if (this.#affinityMs === undefined) return endpoint;
    this.#clients.delete(client); // A map keeps the order of insertion: the oldest is first.
    this.#clients.set(client, { key: endpointKey(endpoint), untilMs: this.#now() + this.#affinityMs });
    const oldest = this.#clients.size > maxClients ? this.#clients.keys().next().value : undefined;
    if (oldest !== undefined) this.#clients.delete(oldest);
    return endpoint;
  }
}
