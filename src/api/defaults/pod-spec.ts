import { ensureObject, objectAt, objectsAt, setDefault, textAt } from '../json-object.ts';
import type { JsonObject } from '../object.ts';
import { defaultPodRequests } from './pod-resources.ts';

const containerLists = ['initContainers', 'containers', 'ephemeralContainers'];

/** Pod defaults beyond those of its spec: upstream gives them to pods but not to templates. */
export function defaultPod(pod: JsonObject): void {
  const spec = ensureObject(pod, 'spec');
  defaultPodSpec(spec);
  setDefault(spec, 'enableServiceLinks', true);
  for (const container of [...objectsAt(spec, 'initContainers'), ...objectsAt(spec, 'containers')]) {
    if (spec['hostNetwork'] === true) defaultHostPorts(container);
    defaultRequests(container);
  }
  defaultPodRequests(spec);
}

/** The spec of a pod or of a pod template. */
export function defaultPodSpec(spec: JsonObject): void {
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'schedulerName', 'default-scheduler');
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'securityContext', {});
  for (const list of containerLists) for (const container of objectsAt(spec, list)) defaultContainer(container);
  for (const volume of objectsAt(spec, 'volumes')) defaultVolume(volume);
}

/** A `template` field with a pod spec in it. */
export function defaultPodTemplate(parent: JsonObject | undefined): void {
  const template = objectAt(parent, 'template');
  if (template !== undefined) defaultPodSpec(ensureObject(template, 'spec'));
}

/** The image's tag, `latest` for an image without tag and digest; `''` where only a digest names it or nothing can be read. */
export function imageTag(image: string): string {
  if (image === '') return '';
  const [name = '', digest] = image.split('@');
  const colon = name.lastIndexOf(':');
  if (colon > name.lastIndexOf('/')) return name.slice(colon + 1);
  return digest === undefined ? 'latest' : '';
}

function defaultContainer(container: JsonObject): void {
  setDefault(container, 'imagePullPolicy', pullPolicy(textAt(container, 'image')));
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  setDefault(container, 'resources', {});
  for (const env of objectsAt(container, 'env')) {
    const fieldRef = objectAt(objectAt(env, 'valueFrom'), 'fieldRef');
    if (fieldRef !== undefined) setDefault(fieldRef, 'apiVersion', 'v1');
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) defaultProbe(objectAt(container, name));
  const lifecycle = objectAt(container, 'lifecycle');
  defaultHttpGet(objectAt(objectAt(lifecycle, 'postStart'), 'httpGet'));
  defaultHttpGet(objectAt(objectAt(lifecycle, 'preStop'), 'httpGet'));
}

function defaultProbe(probe: JsonObject | undefined): void {
  if (probe === undefined) return;
  for (const [key, value] of Object.entries(probeNumbers)) if (!probe[key]) probe[key] = value;
  defaultHttpGet(objectAt(probe, 'httpGet'));
  const grpc = objectAt(probe, 'grpc');
  if (grpc !== undefined) setDefault(grpc, 'service', '');
}

const probeNumbers = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };

function defaultHttpGet(action: JsonObject | undefined): void {
  if (action === undefined) return;
  setDefault(action, 'path', '/');
  setDefault(action, 'scheme', 'HTTP');
}

function defaultVolume(volume: JsonObject): void {
  const sources = Object.keys(volume).filter((key) => key !== 'name');
  if (sources.length === 0) volume['emptyDir'] = {};
  for (const name of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const source = objectAt(volume, name);
    if (source !== undefined) setDefault(source, 'defaultMode', 420);
  }
  defaultFieldRefs(objectAt(volume, 'downwardAPI'));
  const hostPath = objectAt(volume, 'hostPath');
  if (hostPath !== undefined) setDefault(hostPath, 'type', '');
  const image = objectAt(volume, 'image');
  if (image !== undefined) setDefault(image, 'pullPolicy', pullPolicy(textAt(image, 'reference')));
  for (const source of objectsAt(objectAt(volume, 'projected'), 'sources')) {
    const token = objectAt(source, 'serviceAccountToken');
    if (token !== undefined) setDefault(token, 'expirationSeconds', 3600);
    defaultFieldRefs(objectAt(source, 'downwardAPI'));
  }
  const claim = objectAt(objectAt(objectAt(volume, 'ephemeral'), 'volumeClaimTemplate'), 'spec');
  if (claim !== undefined) setDefault(claim, 'volumeMode', 'Filesystem');
}

function defaultFieldRefs(source: JsonObject | undefined): void {
  for (const item of objectsAt(source, 'items')) {
    const fieldRef = objectAt(item, 'fieldRef');
    if (fieldRef !== undefined) setDefault(fieldRef, 'apiVersion', 'v1');
  }
}

function pullPolicy(image: string): string {
  return imageTag(image) === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultHostPorts(container: JsonObject): void {
  for (const port of objectsAt(container, 'ports')) {
    if (!port['hostPort'] && port['containerPort'] !== undefined) port['hostPort'] = port['containerPort'];
  }
}

/** A limit without a request is the request as well. */
function defaultRequests(container: JsonObject): void {
  const resources = objectAt(container, 'resources');
  const limits = objectAt(resources, 'limits');
  if (resources === undefined || limits === undefined) return;
  const requests = ensureObject(resources, 'requests');
  for (const [name, amount] of Object.entries(limits)) setDefault(requests, name, amount);
}
