import type {
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
} from '../../api/kubernetes/admissionregistration-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { readWebhook, type Webhook } from './webhook.ts';

export type WebhookKind = 'mutating' | 'validating';

/** The webhooks of one kind in the order of their calls: by configuration's name, then as listed. Read anew when a configuration changes. */
export class ConfiguredWebhooks implements Disposable {
  readonly #objects: ObjectSource;
  readonly #resource: string;
  readonly #subscription: Disposable;
  #webhooks: readonly Webhook[] | undefined;

  constructor(objects: ObjectSource, kind: WebhookKind) {
    this.#objects = objects;
    this.#resource = `${kind}webhookconfigurations.admissionregistration.k8s.io`;
    this.#subscription = objects.subscribe(this.#resource, () => {
      this.#webhooks = undefined;
    });
  }

  get all(): readonly Webhook[] {
    this.#webhooks ??= this.#objects
      .list<MutatingWebhookConfiguration | ValidatingWebhookConfiguration>(this.#resource)
      .toSorted((a, b) => compare(a.metadata?.name ?? '', b.metadata?.name ?? ''))
      .flatMap(({ metadata, webhooks = [] }) =>
        webhooks.map((hook, index) => readWebhook(hook, { configuration: metadata?.name ?? '', index })),
      );
    return this.#webhooks;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
