import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import { askWebhook, type WebhookDependencies } from './ask-webhook.ts';
import { ConfiguredWebhooks } from './configured-webhooks.ts';
import { isExempt, matchWebhook } from './match-webhook.ts';

/** Asks all matching webhooks of all ValidatingWebhookConfigurations at once. Each must allow. */
export class ValidatingWebhooks implements AdmissionPlugin, Disposable {
  readonly name = 'ValidatingAdmissionWebhook';
  readonly #dependencies: WebhookDependencies;
  readonly #configured: ConfiguredWebhooks;

  constructor(dependencies: WebhookDependencies) {
    this.#dependencies = dependencies;
    this.#configured = new ConfiguredWebhooks(dependencies.objects, 'validating');
  }

  validate(attributes: AdmissionAttributes): void | Promise<void> {
    const webhooks = this.#configured.all;
    if (webhooks.length === 0 || isExempt(attributes)) return;
    const calls = webhooks.flatMap((webhook) => {
      const version = matchWebhook(webhook, attributes, this.#dependencies);
      return version ? { webhook, version } : [];
    });
    if (calls.length > 0) return this.#ask(attributes, calls);
  }

  [Symbol.dispose](): void {
    this.#configured[Symbol.dispose]();
  }

  async #ask(
    attributes: AdmissionAttributes,
    calls: readonly {
      webhook: Parameters<typeof askWebhook>[0];
      version: Parameters<typeof askWebhook>[2]['version'];
    }[],
  ): Promise<void> {
    const outcomes = await Promise.allSettled(
      calls.map(async ({ webhook, version }, index) => {
        const options = { ...this.#dependencies, version, mutating: false };
        const response = await askWebhook(webhook, attributes, options);
        if (response) return;
        const key = `failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`;
        attributes.annotate?.(key, webhook.name);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}
