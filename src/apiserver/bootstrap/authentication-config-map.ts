import type { ConfigMap } from '../../api/kubernetes/core-v1.ts';
import type { ApiServerConfig } from '../config.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { ensureObject } from './ensure-object.ts';

/** `kube-system/extension-apiserver-authentication`: which authorities other servers of this cluster should believe. */
export async function ensureAuthenticationConfigMap(objects: InternalObjects, config: ApiServerConfig): Promise<void> {
  const { clientCaPem, frontProxy } = config;
  const data: Record<string, string> = {
    ...(clientCaPem !== undefined && { 'client-ca-file': clientCaPem }),
    ...(frontProxy && {
      'requestheader-client-ca-file': frontProxy.clientCaPem,
      'requestheader-allowed-names': JSON.stringify(frontProxy.allowedNames),
      'requestheader-username-headers': JSON.stringify(frontProxy.usernameHeaders),
      'requestheader-uid-headers': JSON.stringify(frontProxy.uidHeaders),
      'requestheader-group-headers': JSON.stringify(frontProxy.groupHeaders),
      'requestheader-extra-headers-prefix': JSON.stringify(frontProxy.extraHeaderPrefixes),
    }),
  };
  const object: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
    data,
  };
  await ensureObject(objects, 'configmaps', {
    object,
    merge: (found) => ({ ...found, data: { ...found.data, ...data } }),
  });
}
