import { invalid } from '../../api/field-error.ts';
import type { Event } from '../../api/kubernetes/core-v1.ts';
import { typedStrategy } from './typed-strategy.ts';

/** Events are of the namespace that what they speak of is in; those of cluster-scoped objects are in `default`. */
export const eventStrategy = typedStrategy<Event>({
  validate({ metadata = {}, involvedObject }) {
    const { namespace = '' } = metadata;
    const of = involvedObject?.namespace ?? '';
    if (of === namespace || (of === '' && namespace === 'default')) return [];
    return [invalid('involvedObject.namespace', of, 'does not match event.namespace')];
  },
});
