import { numberAt, objectAt, objectsAt, textAt } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import {
  ageColumn,
  column,
  formatLabels,
  nameColumn,
  orNone,
  printer,
  spec,
  status,
  type TablePrinter,
  textsAt,
  wide,
} from './printer.ts';
import { formatSelector } from './workloads.ts';

/** Services, endpoints and ingresses, by `Kind.group`. */
export const networkPrinters: Readonly<Record<string, TablePrinter>> = {
  'Service.': printer(
    nameColumn,
    column('Type', (object) => textAt(spec(object), 'type')),
    column('Cluster-IP', (object) =>
      orNone(textsAt(spec(object), 'clusterIPs')[0] ?? textAt(spec(object), 'clusterIP')),
    ),
    column('External-IP', externalIp),
    column('Port(s)', servicePorts),
    ageColumn,
    wide('Selector', (object) => formatLabels(objectAt(spec(object), 'selector'))),
  ),
  'Endpoints.': printer(nameColumn, column('Endpoints', endpoints), ageColumn),
  'EndpointSlice.discovery.k8s.io': printer(
    nameColumn,
    column('AddressType', (object) => textAt(object, 'addressType')),
    column('Ports', (object) => {
      const ports = objectsAt(object, 'ports').map((port) => (port['port'] === undefined ? '*' : `${port['port']}`));
      return ports.length === 0 ? '<unset>' : firstThree(ports);
    }),
    column('Endpoints', (object) => {
      const addresses = objectsAt(object, 'endpoints').flatMap((endpoint) => textsAt(endpoint, 'addresses'));
      return addresses.length === 0 ? '<unset>' : firstThree(addresses);
    }),
    ageColumn,
  ),
  'Ingress.networking.k8s.io': printer(
    nameColumn,
    column('Class', (object) => ingressClass(object)),
    column('Hosts', (object) => {
      const hosts = objectsAt(spec(object), 'rules')
        .map((rule) => textAt(rule, 'host'))
        .filter((host) => host !== '');
      return hosts.length === 0 ? '*' : firstThree(hosts);
    }),
    column('Address', (object) => ingressAddresses(object).join(',')),
    column('Ports', (object) => (objectsAt(spec(object), 'tls').length > 0 ? '80, 443' : '80')),
    ageColumn,
  ),
  'IngressClass.networking.k8s.io': printer(
    nameColumn,
    column('Controller', (object) => textAt(spec(object), 'controller')),
    column('Parameters', (object) => {
      const parameters = objectAt(spec(object), 'parameters');
      if (parameters === undefined) return '<none>';
      const group = textAt(parameters, 'apiGroup');
      const kind = textAt(parameters, 'kind');
      return `${group === '' ? kind : `${kind}.${group}`}/${textAt(parameters, 'name')}`;
    }),
    ageColumn,
  ),
  'NetworkPolicy.networking.k8s.io': printer(
    nameColumn,
    column('Pod-Selector', (object) => formatSelector(spec(object)?.['podSelector'])),
    ageColumn,
  ),
  'ServiceCIDR.networking.k8s.io': printer(
    nameColumn,
    column('CIDRs', (object) => textsAt(spec(object), 'cidrs').join(',')),
    ageColumn,
  ),
  'IPAddress.networking.k8s.io': printer(
    nameColumn,
    column('ParentRef', (object) => {
      const parent = objectAt(spec(object), 'parentRef');
      const place = [textAt(parent, 'namespace'), textAt(parent, 'name')].filter((part) => part !== '').join('/');
      const group = textAt(parent, 'group');
      return `${textAt(parent, 'resource')}${group === '' ? '' : `.${group}`}/${place}`;
    }),
    ageColumn,
  ),
};

function externalIp(service: JsonObject): string {
  const external = textsAt(spec(service), 'externalIPs');
  switch (textAt(spec(service), 'type')) {
    case 'LoadBalancer': {
      const addresses = [...ingressAddresses(service), ...external];
      return addresses.length === 0 ? '<pending>' : addresses.join(',');
    }
    case 'ExternalName':
      return textAt(spec(service), 'externalName');
    default:
      return orNone(external.join(','));
  }
}

function servicePorts(service: JsonObject): string {
  const ports = objectsAt(spec(service), 'ports').map((port) => {
    const nodePort = numberAt(port, 'nodePort');
    return `${numberAt(port, 'port')}${nodePort > 0 ? `:${nodePort}` : ''}/${textAt(port, 'protocol')}`;
  });
  return orNone(ports.join(','));
}

/** Addresses that a load balancer has given: of a service or an ingress. */
function ingressAddresses(object: JsonObject): string[] {
  return objectsAt(objectAt(status(object), 'loadBalancer'), 'ingress')
    .map((entry) => textAt(entry, 'ip') || textAt(entry, 'hostname'))
    .filter((text) => text !== '');
}

function endpoints(object: JsonObject): string {
  const all = objectsAt(object, 'subsets').flatMap((subset) => {
    const addresses = objectsAt(subset, 'addresses').map((address) => textAt(address, 'ip'));
    const ports = objectsAt(subset, 'ports').map((port) => numberAt(port, 'port'));
    if (ports.length === 0) return addresses;
    return ports.flatMap((port) => addresses.map((ip) => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`));
  });
  return orNone(firstThree(all));
}

function firstThree(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).join(',');
  return texts.length > 3 ? `${shown} + ${texts.length - 3} more...` : shown;
}

function ingressClass(ingress: JsonObject): JsonValue {
  const annotations = objectAt(objectAt(ingress, 'metadata'), 'annotations');
  return orNone(textAt(spec(ingress), 'ingressClassName') || textAt(annotations, 'kubernetes.io/ingress.class'));
}
