import type { MutatingWebhook, ValidatingWebhook } from '../../api/kubernetes/admissionregistration-v1.ts';
import { everything, type Selector, selectorFromObject } from '../../api/selectors.ts';

/** One entry of a webhook configuration, with what its defaults say filled in. */
export interface Webhook {
  readonly configuration: string;
  readonly name: string;
  /** Of all webhooks at a time; the same webhook keeps it as long as its configuration is not changed. */
  readonly id: string;
  readonly rules: NonNullable<ValidatingWebhook['rules']>;
  readonly equivalent: boolean;
  readonly namespaceSelector: Selector;
  readonly objectSelector: Selector;
  readonly ignoreFailure: boolean;
  readonly timeoutMs: number;
  readonly reinvoke: boolean;
  /** Whether a dry run may call it. */
  readonly drySafe: boolean;
  readonly reviewVersions: readonly string[];
  readonly clientConfig: NonNullable<ValidatingWebhook['clientConfig']>;
}

export function readWebhook(
  hook: MutatingWebhook | ValidatingWebhook,
  { configuration, index }: { configuration: string; index: number },
): Webhook {
  return {
    configuration,
    name: hook.name ?? '',
    id: `${configuration}/${hook.name ?? ''}/${index}`,
    rules: hook.rules ?? [],
    equivalent: hook.matchPolicy !== 'Exact',
    namespaceSelector: hook.namespaceSelector ? selectorFromObject(hook.namespaceSelector) : everything,
    objectSelector: hook.objectSelector ? selectorFromObject(hook.objectSelector) : everything,
    ignoreFailure: hook.failurePolicy === 'Ignore',
    timeoutMs: (hook.timeoutSeconds ?? 10) * 1000,
    reinvoke: 'reinvocationPolicy' in hook && hook.reinvocationPolicy === 'IfNeeded',
    drySafe: hook.sideEffects === 'None' || hook.sideEffects === 'NoneOnDryRun',
    reviewVersions: hook.admissionReviewVersions ?? [],
    clientConfig: hook.clientConfig ?? {},
  };
}
