import { duplicate, type FieldError, invalid, notSupported, required, tooMany } from '../field-error.ts';
import type { EndpointAddress, Endpoints } from '../kubernetes/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../kubernetes/discovery-v1.ts';
import { labelKeyErrors } from '../label-name.ts';
import { validateEndpointIp, validateLegacyIp } from './ip-address.ts';
import { dns1123LabelErrors, dns1123SubdomainErrors, type NameCheck } from './names.ts';
import { validatePortNumber, validateProtocol } from './ports.ts';

export function validateEndpoints({ subsets = [] }: Readonly<Endpoints>): FieldError[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }, i) => {
    const at = `subsets[${i}]`;
    const errors: FieldError[] = [];
    if (addresses.length + notReadyAddresses.length === 0) {
      errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'));
    }
    errors.push(...addresses.flatMap((address, j) => validateAddress(address, `${at}.addresses[${j}]`)));
    errors.push(
      ...notReadyAddresses.flatMap((address, j) => validateAddress(address, `${at}.notReadyAddresses[${j}]`)),
    );
    ports.forEach(({ name = '', port, protocol, appProtocol }, j) => {
      const own = `${at}.ports[${j}]`;
      if (name === '' && ports.length > 1) errors.push(required(`${own}.name`));
      errors.push(...named(name, `${own}.name`, dns1123LabelErrors));
      errors.push(...validatePortNumber(port, `${own}.port`), ...validateProtocol(protocol, `${own}.protocol`));
      errors.push(...named(appProtocol, `${own}.appProtocol`, labelKeyErrors));
    });
    return errors;
  });
}

function validateAddress({ ip = '', hostname, nodeName }: EndpointAddress, path: string): FieldError[] {
  return [
    ...validateLegacyIp(ip, `${path}.ip`),
    ...named(hostname, `${path}.hostname`, dns1123LabelErrors),
    ...named(nodeName, `${path}.nodeName`, dns1123SubdomainErrors),
    ...validateEndpointIp(ip, `${path}.ip`),
  ];
}

const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const maxEndpoints = 1000;
const maxAddresses = 100;
const maxPorts = 20_000;

export function validateEndpointSlice(slice: Readonly<EndpointSlice>): FieldError[] {
  const { addressType = '', endpoints = [], ports } = slice;
  const errors: FieldError[] = [];
  if (addressType === '') errors.push(required('addressType'));
  else if (!addressTypes.includes(addressType)) errors.push(notSupported('addressType', addressType, addressTypes));
  errors.push(...validateSlicePorts(ports ?? []));
  if (endpoints.length > maxEndpoints) return [...errors, tooMany('endpoints', endpoints.length, maxEndpoints)];
  return [...errors, ...endpoints.flatMap((endpoint, i) => validateEndpoint(endpoint, `endpoints[${i}]`, addressType))];
}

export function validateEndpointSliceUpdate(now: Readonly<EndpointSlice>, old: Readonly<EndpointSlice>): FieldError[] {
  const errors = validateEndpointSlice(now);
  if (now.addressType !== old.addressType) errors.push(invalid('addressType', now.addressType, 'field is immutable'));
  return errors;
}

function validateSlicePorts(ports: NonNullable<EndpointSlice['ports']>): FieldError[] {
  if (ports.length > maxPorts) return [tooMany('ports', ports.length, maxPorts)];
  const names = new Set<string>();
  return ports.flatMap(({ name = '', protocol, appProtocol }, i) => {
    const at = `ports[${i}]`;
    const errors = named(name, `${at}.name`, dns1123LabelErrors);
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    errors.push(...validateProtocol(protocol, `${at}.protocol`));
    return [...errors, ...named(appProtocol, `${at}.appProtocol`, labelKeyErrors)];
  });
}

function validateEndpoint({ addresses = [], nodeName, hostname }: Endpoint, path: string, type: string): FieldError[] {
  const errors: FieldError[] = [];
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'));
  else if (addresses.length > maxAddresses) {
    errors.push(tooMany(`${path}.addresses`, addresses.length, maxAddresses));
  }
  addresses.forEach((address, i) => {
    const at = `${path}.addresses[${i}]`;
    if (type === 'FQDN') {
      errors.push(...named(address, at, dns1123SubdomainErrors));
      return;
    }
    const bad = validateLegacyIp(address, at);
    errors.push(...bad);
    if (bad.length > 0) return;
    const article = type === 'IPv4' || type === 'IPv6';
    if (article && address.includes(':') !== (type === 'IPv6')) {
      errors.push(invalid(`${path}.addresses`, address, `must be an ${type} address`));
    }
    errors.push(...validateEndpointIp(address, at));
  });
  errors.push(...named(nodeName, `${path}.nodeName`, dns1123SubdomainErrors));
  return [...errors, ...named(hostname, `${path}.hostname`, dns1123LabelErrors)];
}

function named(text: string | undefined, path: string, check: NameCheck): FieldError[] {
  if (!text) return [];
  return check(text).map((error) => invalid(path, text, error));
}
