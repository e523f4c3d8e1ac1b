import type { APIService } from '../../api/kubernetes/apiregistration-v1.ts';
import { validateApiService } from '../../api/validation/api-service.ts';
import { formatTime } from '../../lib/clock.ts';
import type { StrategyContext } from '../strategy.ts';
import { typedStrategy } from './typed-strategy.ts';

/** What is registered without a Service is served here and always available; the others are judged by who asks them. */
export const apiServiceStrategy = typedStrategy<APIService>({
  nameRule: 'pathSegment',
  prepareForCreate(object, context) {
    delete object.status;
    setLocal(object, context);
  },
  prepareForUpdate(object, old, context) {
    if (context.subresource !== '') return;
    if (!object.spec?.service && old.spec?.service) setLocal(object, context);
  },
  validate: validateApiService,
  validateUpdate: validateApiService,
  warnings({ spec }) {
    if (!spec?.service || spec.insecureSkipTLSVerify !== true) return [];
    return [
      'spec.insecureSkipTLSVerify: who answers for this API is not verified, and can read and change all requests and act on the identities in them: use spec.caBundle',
    ];
  },
});

function setLocal(object: APIService, { clock }: StrategyContext): void {
  if (object.spec?.service) return;
  object.status = {
    conditions: [
      {
        type: 'Available',
        status: 'True',
        lastTransitionTime: formatTime(clock.now()),
        reason: 'Local',
        message: 'Local APIServices are always available',
      },
    ],
  };
}
