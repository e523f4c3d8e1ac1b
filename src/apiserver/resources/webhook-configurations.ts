import type {
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
} from '../../api/kubernetes/admissionregistration-v1.ts';
import { validateWebhookConfiguration } from '../../api/validation/webhook-configuration.ts';
import { typedStrategy } from './typed-strategy.ts';

export const webhookConfigurationStrategy = typedStrategy<
  MutatingWebhookConfiguration | ValidatingWebhookConfiguration
>({
  validate: validateWebhookConfiguration,
  validateUpdate: validateWebhookConfiguration,
});
