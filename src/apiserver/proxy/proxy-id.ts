import { badRequest } from '../../api/errors.ts';

/** What `nodes/<id>/proxy` and its like name: `name`, `name:port` or `scheme:name:port`, where scheme and port may be empty. */
export interface ProxyId {
  readonly scheme: 'http' | 'https' | '';
  readonly name: string;
  readonly port: string;
}

/** @param kind for the message: `node`, `pod` or `service`. @throws {ApiError} 400 */
export function parseProxyId(id: string, kind: string): ProxyId {
  const parts = id.split(':');
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts];
  const known = scheme === '' || scheme === 'http' || scheme === 'https';
  if (parts.length > 3 || !known || name === '') throw badRequest(`invalid ${kind} request ${JSON.stringify(id)}`);
  return { scheme, name, port };
}
