import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import { accessModes } from './cluster.ts';
import {
  ageColumn,
  column,
  integerColumn,
  nameColumn,
  orNone,
  printer,
  spec,
  specNumber,
  status,
  statusNumber,
  type TablePrinter,
  textsAt,
  wide,
} from './printer.ts';

const defaultClassAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

const flag = (value: JsonValue | undefined) => value === true;

/** Volumes, autoscaling and disruption, by `Kind.group`. */
export const storagePrinters: Readonly<Record<string, TablePrinter>> = {
  'PersistentVolume.': printer(
    nameColumn,
    column('Capacity', (object) => textAt(objectAt(spec(object), 'capacity'), 'storage')),
    column('Access Modes', (object) => accessModes(spec(object))),
    column('Reclaim Policy', (object) => textAt(spec(object), 'persistentVolumeReclaimPolicy')),
    column('Status', (object) => (isDeleting(object) ? 'Terminating' : textAt(status(object), 'phase'))),
    column('Claim', (object) => {
      const claim = objectAt(spec(object), 'claimRef');
      return claim === undefined ? '' : `${textAt(claim, 'namespace')}/${textAt(claim, 'name')}`;
    }),
    column('StorageClass', (object) => textAt(spec(object), 'storageClassName')),
    column('VolumeAttributesClass', (object) => textAt(spec(object), 'volumeAttributesClassName') || '<unset>'),
    column('Reason', (object) => textAt(status(object), 'reason')),
    ageColumn,
    wide('VolumeMode', (object) => textAt(spec(object), 'volumeMode') || '<unset>'),
  ),
  'PersistentVolumeClaim.': printer(
    nameColumn,
    column('Status', (object) => (isDeleting(object) ? 'Terminating' : textAt(status(object), 'phase'))),
    column('Volume', (object) => textAt(spec(object), 'volumeName')),
    column('Capacity', (object) => {
      if (textAt(spec(object), 'volumeName') === '') return '';
      return textAt(objectAt(status(object), 'capacity'), 'storage');
    }),
    column('Access Modes', (object) => (textAt(spec(object), 'volumeName') === '' ? '' : accessModes(status(object)))),
    column('StorageClass', (object) => textAt(spec(object), 'storageClassName')),
    column('VolumeAttributesClass', (object) => textAt(spec(object), 'volumeAttributesClassName') || '<unset>'),
    ageColumn,
    wide('VolumeMode', (object) => textAt(spec(object), 'volumeMode') || '<unset>'),
  ),
  'StorageClass.storage.k8s.io': printer(
    {
      ...nameColumn,
      cell: (object) => {
        const annotations = objectAt(objectAt(object, 'metadata'), 'annotations');
        const isDefault = defaultClassAnnotations.some((name) => annotations?.[name] === 'true');
        return `${textAt(objectAt(object, 'metadata'), 'name')}${isDefault ? ' (default)' : ''}`;
      },
    },
    column('Provisioner', (object) => textAt(object, 'provisioner')),
    column('ReclaimPolicy', (object) => textAt(object, 'reclaimPolicy') || 'Delete'),
    column('VolumeBindingMode', (object) => textAt(object, 'volumeBindingMode') || 'Immediate'),
    column('AllowVolumeExpansion', (object) => flag(object['allowVolumeExpansion'])),
    ageColumn,
  ),
  'VolumeAttributesClass.storage.k8s.io': printer(
    nameColumn,
    column('DriverName', (object) => textAt(object, 'driverName')),
    ageColumn,
  ),
  'VolumeAttachment.storage.k8s.io': printer(
    nameColumn,
    column('Attacher', (object) => textAt(spec(object), 'attacher')),
    column('PV', (object) => textAt(objectAt(spec(object), 'source'), 'persistentVolumeName')),
    column('Node', (object) => textAt(spec(object), 'nodeName')),
    column('Attached', (object) => flag(status(object)?.['attached'])),
    ageColumn,
  ),
  'CSINode.storage.k8s.io': printer(
    nameColumn,
    integerColumn('Drivers', (object) => objectsAt(spec(object), 'drivers').length),
    ageColumn,
  ),
  'CSIDriver.storage.k8s.io': printer(
    nameColumn,
    column('AttachRequired', (object) => spec(object)?.['attachRequired'] !== false),
    column('PodInfoOnMount', (object) => flag(spec(object)?.['podInfoOnMount'])),
    column('StorageCapacity', (object) => flag(spec(object)?.['storageCapacity'])),
    column('TokenRequests', (object) => {
      const audiences = objectsAt(spec(object), 'tokenRequests').map((request) => textAt(request, 'audience'));
      return audiences.length === 0 ? '<unset>' : audiences.join(',');
    }),
    column('RequiresRepublish', (object) => flag(spec(object)?.['requiresRepublish'])),
    column('Modes', (object) => textsAt(spec(object), 'volumeLifecycleModes').join(',') || '<none>'),
    ageColumn,
  ),
  'CSIStorageCapacity.storage.k8s.io': printer(
    nameColumn,
    column('StorageClassName', (object) => textAt(object, 'storageClassName')),
    column('Capacity', (object) => textAt(object, 'capacity') || '<unset>'),
  ),
  'PodDisruptionBudget.policy': printer(
    nameColumn,
    column('Min Available', (object) => limit(spec(object)?.['minAvailable'])),
    column('Max Unavailable', (object) => limit(spec(object)?.['maxUnavailable'])),
    integerColumn('Allowed Disruptions', statusNumber('disruptionsAllowed')),
    ageColumn,
  ),
  'HorizontalPodAutoscaler.autoscaling': printer(
    nameColumn,
    column('Reference', (object) => {
      const target = objectAt(spec(object), 'scaleTargetRef');
      return `${textAt(target, 'kind')}/${textAt(target, 'name')}`;
    }),
    column('Targets', autoscalerTargets),
    column('MinPods', (object) => {
      const minimum = spec(object)?.['minReplicas'];
      return typeof minimum === 'number' ? `${minimum}` : '<unset>';
    }),
    integerColumn('MaxPods', specNumber('maxReplicas')),
    integerColumn('Replicas', statusNumber('currentReplicas')),
    ageColumn,
  ),
};

function isDeleting(object: JsonObject): boolean {
  return Boolean(objectAt(object, 'metadata')?.['deletionTimestamp']);
}

function limit(value: JsonValue | undefined): string {
  return value === undefined || value === null ? 'N/A' : String(value);
}

const maxTargets = 2;

function autoscalerTargets(object: JsonObject): string {
  const metrics = objectsAt(spec(object), 'metrics');
  const target = spec(object)?.['targetCPUUtilizationPercentage'];
  if (metrics.length === 0 && typeof target === 'number') {
    const current = status(object)?.['currentCPUUtilizationPercentage'];
    return `cpu: ${typeof current === 'number' ? `${current}%` : '<unknown>'}/${target}%`;
  }
  const currents = objectsAt(status(object), 'currentMetrics');
  const texts = metrics.map((metric, index) => targetText(metric, currents[index]));
  if (texts.length === 0) return '<none>';
  const shown = texts.slice(0, maxTargets).join(', ');
  return texts.length > maxTargets ? `${shown} + ${texts.length - maxTargets} more...` : shown;
}

const sourceNames: Readonly<Record<string, string>> = {
  Resource: 'resource',
  ContainerResource: 'containerResource',
  Pods: 'pods',
  Object: 'object',
  External: 'external',
};

function targetText(metric: JsonObject, currentMetric: JsonObject | undefined): string {
  const type = textAt(metric, 'type');
  const name = sourceNames[type];
  if (name === undefined) return '<unknown type>';
  const source = objectAt(metric, name);
  const target = objectAt(source, 'target');
  const current = objectAt(objectAt(currentMetric, name), 'current');
  const isResource = type === 'Resource' || type === 'ContainerResource';
  const prefix = isResource ? `${orNone(textAt(source, 'name'))}: ` : '';
  if (target?.['averageUtilization'] !== undefined) {
    const now = current?.['averageUtilization'];
    const percent = now === undefined ? '<unknown>' : `${now}%`;
    return `${prefix}${percent}/${numberAt(target, 'averageUtilization')}%`;
  }
  if (target?.['averageValue'] !== undefined) {
    const suffix = isResource || type === 'Pods' ? '' : ' (avg)';
    return `${prefix}${textAt(current, 'averageValue') || '<unknown>'}/${textAt(target, 'averageValue')}${suffix}`;
  }
  return `${prefix}${textAt(current, 'value') || '<unknown>'}/${textAt(target, 'value')}`;
}
