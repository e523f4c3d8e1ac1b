import { badRequest, notFound } from '../../api/errors.ts';
import type { Node, Pod } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { RequestInfo } from '../request-info.ts';

/** The pod of the request. @throws {ApiError} 404 */
export function requestedPod(objects: ObjectSource, { namespace, name }: RequestInfo): Pod {
  const pod = objects.get<Pod>('pods', { namespace, name });
  if (!pod) throw notFound({ group: '', resource: 'pods' }, name);
  return pod;
}

/** @throws {ApiError} 400 when no node has been chosen yet */
export function nodeNameOf(pod: Pod): string {
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) throw badRequest(`pod ${pod.metadata?.name} does not have a host assigned`);
  return nodeName;
}

/** The container asked for, or the only one. @throws {ApiError} 400 as upstream words it */
export function chooseContainer(pod: Pod, asked: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const name = pod.metadata?.name;
  if (asked !== '') {
    const known = [...containers, ...initContainers, ...ephemeralContainers].some(
      (container) => container.name === asked,
    );
    if (!known) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const [only] = containers;
  if (only && containers.length === 1) return only.name;
  if (!only) throw badRequest(`a container name must be specified for pod ${name}`);
  const listed = `choose one of: [${containers.map((container) => container.name).join(' ')}]`;
  const inits =
    initContainers.length > 0 ? ` or one of the init containers: [${initContainers.map((c) => c.name).join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${name}, ${listed}${inits}`);
}

/** Whether the kubelet itself speaks v5 and the port-forward tunnel, so that nothing is translated. */
export function speaksWebSocket(objects: ObjectSource, nodeName: string): boolean {
  const node = objects.get<Node>('nodes', { namespace: '', name: nodeName });
  return node?.status?.declaredFeatures?.includes('ExtendWebSocketsToKubelet') ?? false;
}

/** A boolean of the query: absent, `0` and `false` are false, anything else is true. */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}
