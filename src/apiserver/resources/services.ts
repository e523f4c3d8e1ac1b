import type { Service, ServiceSpec } from '../../api/kubernetes/core-v1.ts';
import { validateService, validateServiceUpdate } from '../../api/validation/service.ts';
import type { ServiceAllocator } from '../allocators/service-allocator.ts';
import {
  isExternallyAccessible,
  needsClusterIp,
  needsHealthCheckPort,
  needsNodePorts,
} from '../allocators/service-needs.ts';
import type { Strategy } from '../strategy.ts';
import { typedStrategy } from './typed-strategy.ts';

/** Services: what a client leaves out on an update is what the Service has; what its new type has no use for goes. */
export function serviceStrategy(allocator: ServiceAllocator): Strategy {
  return typedStrategy<Service>({
    nameRule: 'dns1123Label',
    returnsDeletedObject: true,
    allowCreateOnUpdate: true,
    prepareForCreate(service) {
      const { spec } = service;
      if (spec?.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    },
    prepareForUpdate(service, old, { subresource }) {
      if (subresource !== '' || !service.spec || !old.spec) return;
      service.spec.ports = structuredClone(service.spec.ports ?? []);
      if (service.spec.ports.length === 0) delete service.spec.ports;
      normalizeClusterIps(service.spec, old.spec);
      dropUseless(service, old);
      keepAllocated(service, old);
    },
    reserve(service, old, { subresource }) {
      if (subresource !== '') return { commit() {}, rollback() {} };
      return allocator.reserve(service, old);
    },
    validate: (service) => validateService(service),
    validateUpdate: (service, old, { subresource }) => (subresource === '' ? validateServiceUpdate(service, old) : []),
    warnings: (service, _old, { subresource }) => (subresource === '' ? warningsOf(service) : []),
  });
}

/** Clients from before there were two addresses change only `clusterIP`. */
function normalizeClusterIps(spec: ServiceSpec, old: Readonly<ServiceSpec>): void {
  const { clusterIP = '', clusterIPs = [] } = spec;
  const samePlural = clusterIPs.join() === (old.clusterIPs ?? []).join();
  if (clusterIPs.length === 0) {
    if (clusterIP !== '') spec.clusterIPs = clusterIP === old.clusterIP ? [...(old.clusterIPs ?? [])] : [clusterIP];
  } else if (samePlural && clusterIP !== (old.clusterIP ?? '')) {
    if (clusterIP === '') delete spec.clusterIPs;
    else spec.clusterIPs = [clusterIP];
  }
}

/** What was given for the old type and was not changed is not asked for. */
function dropUseless(service: Service, old: Readonly<Service>): void {
  const [spec, before] = [service.spec ?? {}, old.spec ?? {}];
  if (needsClusterIp(old) && !needsClusterIp(service)) {
    if (spec.clusterIP === before.clusterIP && sameTexts(spec.clusterIPs, before.clusterIPs)) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (sameTexts(spec.ipFamilies, before.ipFamilies)) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === before.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(service)) {
    const had = new Set((before.ports ?? []).map(({ nodePort }) => nodePort));
    if ((spec.ports ?? []).every(({ nodePort }) => !nodePort || had.has(nodePort))) {
      for (const port of spec.ports ?? []) delete port.nodePort;
    }
  }
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(service)) {
    if (spec.healthCheckNodePort === before.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) {
      delete spec.allocateLoadBalancerNodePorts;
    }
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass;
    if (service.status) service.status = { ...service.status, loadBalancer: {} };
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(service)) {
    if (spec.externalTrafficPolicy === before.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  }
}

/** A manifest does not name what was allocated. */
function keepAllocated(service: Service, old: Readonly<Service>): void {
  const [spec, before] = [service.spec ?? {}, old.spec ?? {}];
  if (needsClusterIp(old) && needsClusterIp(service)) {
    if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === before.clusterIP && before.clusterIPs) {
      spec.clusterIPs = [...before.clusterIPs];
    }
  }
  if (needsNodePorts(old) && needsNodePorts(service)) {
    const used = new Set((spec.ports ?? []).map(({ nodePort }) => nodePort));
    for (const port of spec.ports ?? []) {
      if (port.nodePort) continue;
      const known = before.ports?.find(
        ({ protocol, port: number }) => protocol === port.protocol && number === port.port,
      );
      if (!known?.nodePort || used.has(known.nodePort)) continue;
      port.nodePort = known.nodePort;
      used.add(known.nodePort);
    }
  }
  if (needsHealthCheckPort(old) && needsHealthCheckPort(service) && !spec.healthCheckNodePort) {
    if (before.healthCheckNodePort) spec.healthCheckNodePort = before.healthCheckNodePort;
  }
}

function warningsOf({ spec = {}, metadata = {} }: Readonly<Service>): string[] {
  const warnings: string[] = [];
  if (metadata.annotations?.['service.kubernetes.io/topology-aware-hints'] !== undefined) {
    warnings.push(
      'annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead',
    );
  }
  if (spec.externalIPs?.length && spec.type === 'ExternalName') {
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (spec.externalIPs?.length && spec.type !== 'ExternalName') {
    warnings.push(
      spec.clusterIP === 'None'
        ? 'spec.externalIPs is ignored for headless services'
        : 'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
    );
  }
  if (spec.type !== 'ExternalName' && spec.externalName) {
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  }
  if (spec.type === 'ExternalName' && spec.sessionAffinity === 'ClientIP') {
    warnings.push('spec.sessionAffinity is ignored when spec.type is "ExternalName"');
  }
  if (spec.clusterIP === 'None' && spec.sessionAffinity === 'ClientIP') {
    warnings.push('spec.SessionAffinity is ignored for headless services');
  }
  return warnings;
}

function sameTexts(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
