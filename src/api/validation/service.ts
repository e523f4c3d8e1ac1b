import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import type { Service, ServicePort, ServiceSpec } from '../kubernetes/core-v1.ts';
import { labelKeyErrors } from '../label-name.ts';
import { validateEndpointIp, validateLegacyCidr, validateLegacyIp } from './ip-address.ts';
import { validateLabels } from './labels.ts';
import { dns1123LabelErrors, dns1123SubdomainErrors } from './names.ts';
import { validatePortNumber, validatePortOrName, validateProtocol } from './ports.ts';
import { isHeadlessService, validateClusterIps, validateClusterIpsUpdate } from './service-cluster-ips.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const trafficPolicies = ['Cluster', 'Local'];
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const maxAffinitySeconds = 86_400;

/** Source: `pkg/apis/core/validation/validation.go`, `validateService`. */
export function validateService(service: Readonly<Service>, old?: Readonly<Service>): FieldError[] {
  const { spec = {} } = service;
  const { ports = [], type = '' } = spec;
  const headless = isHeadlessService(service);
  const errors: FieldError[] = [];
  if (ports.length === 0 && !headless && type !== 'ExternalName') errors.push(required('spec.ports'));
  if (headless && (type === 'LoadBalancer' || type === 'NodePort')) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`));
  }
  if (type === 'ExternalName') errors.push(...validateExternalName(spec));
  const names = new Set<string>();
  ports.forEach((port, i) => {
    errors.push(...validateServicePort(port, { path: `spec.ports[${i}]`, needsName: ports.length > 1, names }));
  });
  errors.push(...validateLabels(spec.selector, 'spec.selector'), ...validateAffinity(spec));
  errors.push(...validateClusterIps(service, old));
  (spec.externalIPs ?? []).forEach((address, i) => {
    const path = `spec.externalIPs[${i}]`;
    const bad = validateLegacyIp(address, path, old?.spec?.externalIPs);
    errors.push(...(bad.length > 0 ? bad : validateEndpointIp(address, path)));
  });
  if (type === '') errors.push(required('spec.type'));
  else if (!types.includes(type)) errors.push(notSupported('spec.type', type, types));
  errors.push(...validateUniquePorts(spec), ...validateLoadBalancer(spec), ...validateTraffic(spec));
  return errors;
}

export function validateServiceUpdate(service: Readonly<Service>, old: Readonly<Service>): FieldError[] {
  const errors = validateClusterIpsUpdate(service, old);
  const [now, before] = [service.spec ?? {}, old.spec ?? {}];
  if (
    now.type === 'LoadBalancer' &&
    before.type === 'LoadBalancer' &&
    now.loadBalancerClass !== before.loadBalancerClass
  ) {
    errors.push(invalid('spec.loadBalancerClass', now.loadBalancerClass ?? null, 'may not change once set'));
  }
  if (checksHealth(now) && checksHealth(before) && now.healthCheckNodePort !== before.healthCheckNodePort) {
    errors.push(forbiddenField('spec.healthCheckNodePort', 'field is immutable'));
  }
  return [...errors, ...validateService(service, old)];
}

function validateExternalName({
  clusterIPs = [],
  ipFamilies = [],
  ipFamilyPolicy,
  externalName = '',
}: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const notSet = 'may not be set for ExternalName services';
  if (clusterIPs.length > 0) errors.push(forbiddenField('spec.clusterIPs', notSet));
  if (ipFamilies.length > 0) errors.push(forbiddenField('spec.ipFamilies', notSet));
  if (ipFamilyPolicy !== undefined) errors.push(forbiddenField('spec.ipFamilyPolicy', notSet));
  const name = externalName.replace(/\.$/, '');
  if (name === '') errors.push(required('spec.externalName'));
  for (const text of name === '' ? [] : dns1123SubdomainErrors(name))
    errors.push(invalid('spec.externalName', name, text));
  return errors;
}

function validateServicePort(
  { name = '', port, protocol, targetPort, appProtocol }: ServicePort,
  { path, needsName, names }: { path: string; needsName: boolean; names: Set<string> },
): FieldError[] {
  const errors: FieldError[] = [];
  if (name === '') {
    if (needsName) errors.push(required(`${path}.name`));
  } else {
    for (const text of dns1123LabelErrors(name)) errors.push(invalid(`${path}.name`, name, text));
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
  }
  errors.push(...validatePortNumber(port, `${path}.port`), ...validateProtocol(protocol, `${path}.protocol`));
  errors.push(...validatePortOrName(targetPort, `${path}.targetPort`));
  for (const text of appProtocol === undefined ? [] : labelKeyErrors(appProtocol)) {
    errors.push(invalid(`${path}.appProtocol`, appProtocol, text));
  }
  return errors;
}

function validateAffinity({ sessionAffinity = '', sessionAffinityConfig: config }: ServiceSpec): FieldError[] {
  const path = 'spec.sessionAffinityConfig';
  if (sessionAffinity === '') return [required('spec.sessionAffinity')];
  if (sessionAffinity === 'None') {
    return config ? [forbiddenField(path, 'must not be set when session affinity is None')] : [];
  }
  if (sessionAffinity !== 'ClientIP') {
    return [notSupported('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None'])];
  }
  const why = 'when session affinity type is ClientIP';
  if (!config) return [required(path, why)];
  if (!config.clientIP) return [required(`${path}.clientIP`, why)];
  const seconds = config.clientIP.timeoutSeconds;
  if (seconds === undefined) return [required(`${path}.clientIP.timeoutSeconds`, why)];
  if (seconds > 0 && seconds <= maxAffinitySeconds) return [];
  const detail = `must be greater than 0 and less than ${maxAffinitySeconds}`;
  return [invalid(`${path}.clientIP.timeoutSeconds`, seconds, detail)];
}

function validateUniquePorts({ type, ports = [] }: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const key = ({ protocol = '' }: ServicePort, number: number) => `${protocol}/${number}`;
  if (type === 'ClusterIP') {
    ports.forEach(({ nodePort }, i) => {
      const detail = "may not be used when `type` is 'ClusterIP'";
      if (nodePort) errors.push(forbiddenField(`spec.ports[${i}].nodePort`, detail));
    });
  }
  const nodePorts = new Set<string>();
  ports.forEach((port, i) => {
    if (!port.nodePort) return;
    const id = key(port, port.nodePort);
    if (nodePorts.has(id)) errors.push(duplicate(`spec.ports[${i}].nodePort`, port.nodePort));
    nodePorts.add(id);
  });
  const numbers = new Set<string>();
  ports.forEach((port, i) => {
    const id = key(port, port.port);
    const { protocol, port: number } = port;
    if (numbers.has(id)) errors.push(duplicate(`spec.ports[${i}]`, shownPort(number, protocol)));
    numbers.add(id);
  });
  return errors;
}

function validateLoadBalancer(spec: ServiceSpec): FieldError[] {
  const only = "may only be used when `type` is 'LoadBalancer'";
  const balances = spec.type === 'LoadBalancer';
  const errors: FieldError[] = [];
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const path = 'spec.LoadBalancerSourceRanges';
  if (ranges.length > 0 && !balances) errors.push(forbiddenField(path, only));
  ranges.forEach((cidr, i) => {
    errors.push(...validateLegacyCidr(cidr.trim(), `${path}[${i}]`));
  });
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balances) {
    errors.push(forbiddenField('spec.allocateLoadBalancerNodePorts', only));
  }
  const { loadBalancerClass } = spec;
  if (loadBalancerClass === undefined) return errors;
  if (!balances) errors.push(forbiddenField('spec.loadBalancerClass', only));
  else
    for (const text of labelKeyErrors(loadBalancerClass))
      errors.push(invalid('spec.loadBalancerClass', loadBalancerClass, text));
  return errors;
}

function validateTraffic(spec: ServiceSpec): FieldError[] {
  const {
    type = '',
    externalTrafficPolicy = '',
    internalTrafficPolicy,
    healthCheckNodePort = 0,
    trafficDistribution,
  } = spec;
  const errors: FieldError[] = [];
  const external =
    type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  const path = 'spec.externalTrafficPolicy';
  if (!external) {
    const detail = 'may only be set for externally-accessible services';
    if (externalTrafficPolicy !== '') errors.push(invalid(path, externalTrafficPolicy, detail));
  } else if (externalTrafficPolicy === '') errors.push(required(path));
  else if (!trafficPolicies.includes(externalTrafficPolicy)) {
    errors.push(notSupported(path, externalTrafficPolicy, trafficPolicies));
  }
  if (checksHealth(spec)) {
    if (healthCheckNodePort === 0) errors.push(required('spec.healthCheckNodePort'));
    else errors.push(...validatePortNumber(healthCheckNodePort, 'spec.healthCheckNodePort'));
  } else if (healthCheckNodePort !== 0) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalid('spec.healthCheckNodePort', healthCheckNodePort, detail));
  }
  if (internalTrafficPolicy === undefined) {
    if (types.includes(type) && type !== 'ExternalName') errors.push(required('spec.internalTrafficPolicy'));
  } else if (!trafficPolicies.includes(internalTrafficPolicy)) {
    errors.push(notSupported('spec.internalTrafficPolicy', internalTrafficPolicy, trafficPolicies));
  }
  if (trafficDistribution !== undefined && !distributions.includes(trafficDistribution)) {
    errors.push(notSupported('spec.trafficDistribution', trafficDistribution, distributions));
  }
  return errors;
}

function checksHealth({ type, externalTrafficPolicy }: ServiceSpec): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
}

/** As upstream shows it: its internal type, with only the fields that are compared. */
function shownPort(port: number, protocol = ''): Record<string, unknown> {
  return { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
}
