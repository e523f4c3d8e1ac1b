import { ensureObject, objectAt, objectsAt, setDefault, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import { defaultPod, defaultPodTemplate } from './pod-spec.ts';

/** Defaults of the core group, by kind; structs of the schema are there when they run. */
export const coreDefaults: Readonly<Record<string, (object: JsonObject) => void>> = {
  Pod: defaultPod,
  PodTemplate: defaultPodTemplate,
  ReplicationController(object) {
    const spec = ensureObject(object, 'spec');
    const labels = objectAt(objectAt(objectAt(spec, 'template'), 'metadata'), 'labels');
    if (labels !== undefined) {
      const metadata = ensureObject(object, 'metadata');
      if (spec['selector'] === undefined) spec['selector'] = { ...labels };
      if (metadata['labels'] === undefined) metadata['labels'] = { ...labels };
    }
    setDefault(spec, 'replicas', 1);
    defaultPodTemplate(spec);
  },
  Service: defaultService,
  Endpoints(object) {
    for (const subset of objectsAt(object, 'subsets')) {
      for (const port of objectsAt(subset, 'ports')) setDefault(port, 'protocol', 'TCP');
    }
  },
  Namespace(object) {
    const name = textAt(objectAt(object, 'metadata'), 'name');
    if (name !== '') ensureObject(ensureObject(object, 'metadata'), 'labels')['kubernetes.io/metadata.name'] = name;
    setDefault(ensureObject(object, 'status'), 'phase', 'Active');
  },
  Node(object) {
    const status = objectAt(object, 'status');
    const capacity = objectAt(status, 'capacity');
    if (status !== undefined && capacity !== undefined) setDefault(status, 'allocatable', { ...capacity });
  },
  Secret(object) {
    setDefault(object, 'type', 'Opaque');
    mergeStringData(object);
  },
  PersistentVolume(object) {
    const spec = ensureObject(object, 'spec');
    setDefault(spec, 'persistentVolumeReclaimPolicy', 'Retain');
    setDefault(spec, 'volumeMode', 'Filesystem');
    setDefault(ensureObject(object, 'status'), 'phase', 'Pending');
    const hostPath = objectAt(spec, 'hostPath');
    if (hostPath !== undefined) setDefault(hostPath, 'type', '');
  },
  PersistentVolumeClaim: defaultClaim,
  LimitRange(object) {
    for (const item of objectsAt(objectAt(object, 'spec'), 'limits')) {
      if (item['type'] === 'Container') defaultLimitRangeItem(item);
    }
  },
};

/** Also the claim templates of stateful sets. */
export function defaultClaim(claim: JsonObject): void {
  setDefault(ensureObject(claim, 'spec'), 'volumeMode', 'Filesystem');
  setDefault(ensureObject(claim, 'status'), 'phase', 'Pending');
}

function defaultService(object: JsonObject): void {
  const spec = ensureObject(object, 'spec');
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig'];
  if (spec['sessionAffinity'] === 'ClientIP') {
    setDefault(ensureObject(ensureObject(spec, 'sessionAffinityConfig'), 'clientIP'), 'timeoutSeconds', 10_800);
  }
  setDefault(spec, 'type', 'ClusterIP');
  for (const port of objectsAt(spec, 'ports')) {
    setDefault(port, 'protocol', 'TCP');
    if (!port['targetPort'] && port['port'] !== undefined) port['targetPort'] = port['port'];
  }
  const type = spec['type'];
  const external = Array.isArray(spec['externalIPs']) && spec['externalIPs'].length > 0;
  if (type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && external)) {
    setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  }
  if (type !== 'ExternalName') setDefault(spec, 'internalTrafficPolicy', 'Cluster');
  if (type === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
}

/** `stringData` is write-only: its texts become entries of `data`, over those that are there. */
function mergeStringData(secret: JsonObject): void {
  const texts = objectAt(secret, 'stringData');
  if (texts === undefined) return;
  const entries = Object.entries(texts).map(([key, text]) => [key, Buffer.from(String(text)).toString('base64')]);
  if (entries.length > 0) secret['data'] = { ...objectAt(secret, 'data'), ...Object.fromEntries(entries) };
  delete secret['stringData'];
}

function defaultLimitRangeItem(item: JsonObject): void {
  const limits = { ...objectAt(item, 'max'), ...objectAt(item, 'default') };
  const requests = { ...objectAt(item, 'min'), ...limits, ...objectAt(item, 'defaultRequest') };
  if (Object.keys(limits).length > 0) item['default'] = limits;
  if (Object.keys(requests).length > 0) item['defaultRequest'] = requests;
}
