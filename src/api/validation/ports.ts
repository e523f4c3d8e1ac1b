import { type FieldError, invalid, notSupported, required } from '../field-error.ts';
import { portNameErrors, portNumberErrors } from './names.ts';

const protocols = ['SCTP', 'TCP', 'UDP'];

export function validateProtocol(protocol: string | undefined, path: string): FieldError[] {
  if (!protocol) return [required(path)];
  return protocols.includes(protocol) ? [] : [notSupported(path, protocol, protocols)];
}

export function validatePortNumber(port: number | undefined, path: string): FieldError[] {
  return portNumberErrors(port ?? 0).map((text) => invalid(path, port ?? 0, text));
}

/** A number, or the name of a container's port. */
export function validatePortOrName(port: number | string | undefined, path: string): FieldError[] {
  if (typeof port === 'string') return portNameErrors(port).map((text) => invalid(path, port, text));
  return validatePortNumber(port, path);
}
