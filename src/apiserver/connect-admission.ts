import type { JsonKubeObject, JsonObject } from '../api/object.ts';
import { scheme } from '../api/scheme.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import { admissionContext } from './admission/admission-context.ts';
import { runAdmission } from './admission/run-admission.ts';
import type { RequestContext } from './exchange.ts';
import { queryFlag } from './node-streams/pod-target.ts';

/** What the query of a connection may say, by the kind of its options; these kinds are never stored and have no model. */
const optionFields: Readonly<
  Record<
    string,
    { text?: readonly string[]; flags?: readonly string[]; words?: readonly string[]; numbers?: readonly string[] }
  >
> = {
  PodExecOptions: { text: ['container'], flags: ['stdin', 'stdout', 'stderr', 'tty'], words: ['command'] },
  PodAttachOptions: { text: ['container'], flags: ['stdin', 'stdout', 'stderr', 'tty'] },
  PodPortForwardOptions: { numbers: ['ports'] },
  NodeProxyOptions: {},
  PodProxyOptions: {},
  ServiceProxyOptions: {},
};

/**
 * Asks admission about a connection to a pod, node or Service (operation CONNECT, with the options as the object). What only reads, such as `pods/log`,
 * is not asked about, as upstream.
 * @param query the options where the request itself says them in other words
 * @throws {ApiError} what a plugin refuses
 */
export async function admitConnect(
  plugins: readonly AdmissionPlugin[],
  context: RequestContext,
  query: URLSearchParams = context.exchange.query,
): Promise<void> {
  const { info, user } = context;
  const resource = scheme.storage(info.group, info.resource);
  const kind = resource.subresources.get(info.subresource)?.kind.kind;
  if (kind === undefined || !Object.hasOwn(optionFields, kind)) return;
  await runAdmission(plugins, {
    operation: 'CONNECT',
    resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    user,
    dryRun: false,
    object: {
      ...parseConnectOptions(kind, query),
      ...(info.subresource === 'proxy' && { path: proxiedPath(info) }),
    },
    oldObject: undefined,
    options: {},
    ...admissionContext(context),
  });
}

/** Of a proxied request it is the URL that says where it goes; a `path` in its query is the backend's. */
function proxiedPath({ path, rest }: RequestContext['info']): string {
  return `/${rest.join('/')}${rest.length > 0 && path.endsWith('/') ? '/' : ''}`;
}

/** The options object that a query stands for. */
export function parseConnectOptions(kind: string, query: URLSearchParams): JsonKubeObject {
  const { text = [], flags = [], words = [], numbers = [] } = optionFields[kind] ?? {};
  const options: JsonObject = {};
  for (const name of text) if (query.get(name)) options[name] = query.get(name);
  for (const name of flags) if (queryFlag(query, name)) options[name] = true;
  for (const name of words) if (query.has(name)) options[name] = query.getAll(name);
  for (const name of numbers) {
    const values = query.getAll(name).flatMap((value) => value.split(','));
    if (values.length > 0) options[name] = values.map(Number);
  }
  return { kind, apiVersion: 'v1', metadata: {}, ...options };
}
