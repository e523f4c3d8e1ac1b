import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { dns1123LabelErrors } from '../../api/validation/names.ts';
import { validatePod, validatePodEphemeralContainers, validatePodUpdate } from '../../api/validation/pod/pod.ts';
import { validatePodStatusUpdate } from '../../api/validation/pod/pod-status.ts';
import { qosClassOf } from '../../api/validation/pod/qos.ts';
import { podSpecWarnings } from '../../api/validation/pod/warnings.ts';
import { formatTime } from '../../lib/clock.ts';
import { typedStrategy } from './typed-strategy.ts';

/** Pods: pending at first, almost unchangeable, and deleted with grace. */
export const podStrategy = typedStrategy<Pod>({
  generation: 'spec',
  returnsDeletedObject: true,
  prepareForCreate(pod, { clock }) {
    const spec = pod.spec ?? { containers: [] };
    // The shortest period that is one: upstream's conversion does so.
    if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
    pod.status = { phase: 'Pending', qosClass: qosClassOf(spec) };
    if ((spec.schedulingGates ?? []).length === 0) return;
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        lastTransitionTime: formatTime(clock.now()),
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ];
  },
  prepareForUpdate(pod, old, { subresource }) {
    if (subresource === 'status') {
      if (old.metadata?.ownerReferences && pod.metadata) pod.metadata.ownerReferences = old.metadata.ownerReferences;
      else delete pod.metadata?.ownerReferences;
      const qosClass = old.status?.qosClass;
      if (pod.status && !pod.status.qosClass && qosClass !== undefined) pod.status = { ...pod.status, qosClass };
    }
    if (subresource === 'ephemeralcontainers') {
      const added = pod.spec?.ephemeralContainers;
      const { ephemeralContainers: _old, ...rest } = old.spec ?? { containers: [] };
      pod.spec = { ...rest, ...(added && { ephemeralContainers: added }) };
      if (old.status) pod.status = old.status;
    }
  },
  validate: (pod) => validatePod(pod),
  validateUpdate(pod, old, { subresource }) {
    switch (subresource) {
      case 'status':
        return validatePodStatusUpdate(pod, old);
      case 'ephemeralcontainers':
        return validatePodEphemeralContainers(pod, old);
      // `binding` and `resize` have rules of their own, which their handlers hold.
      case '':
        return validatePodUpdate(pod, old);
      default:
        return [];
    }
  },
  warnings({ metadata, spec }, old) {
    if (old) return [];
    const texts = dns1123LabelErrors(metadata?.name ?? '');
    const hostname =
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended:";
    return [...(texts.length > 0 ? [`${hostname} [${texts.join(' ')}]`] : []), ...podSpecWarnings(spec)];
  },
  gracePeriodSeconds({ spec, status }, requested) {
    const seconds = requested ?? spec?.terminationGracePeriodSeconds ?? 0;
    if (!spec?.nodeName || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0;
    return seconds < 0 ? 1 : seconds;
  },
});
