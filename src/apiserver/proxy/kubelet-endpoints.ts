import type { Authorizer } from '../../auth/authorizer.ts';
import { type Auditor, type AuditRecord, auditIdOf } from '../audit/auditor.ts';
import { attributesOf, forbiddenRequest } from '../authorize.ts';
import type { RequestContext } from '../exchange.ts';
import type { RequestInfo } from '../request-info.ts';

/** What a kubelet's endpoint does to a pod, in the words of the API. Keys are lower case; kubelets match exactly, and none may slip through. */
const podEndpoints: ReadonlyMap<string, { readonly subresource: string; readonly verb: string }> = new Map([
  ['exec', { subresource: 'exec', verb: 'create' }],
  ['run', { subresource: 'exec', verb: 'create' }],
  ['attach', { subresource: 'attach', verb: 'create' }],
  ['portforward', { subresource: 'portforward', verb: 'create' }],
  ['containerlogs', { subresource: 'log', verb: 'get' }],
]);

export interface KubeletEndpointOptions {
  readonly authorizer: Authorizer;
  /** Asks admission about a connection to a pod. */
  readonly admit: (context: RequestContext, query?: URLSearchParams) => Promise<void>;
  readonly auditor: Auditor;
  readonly now: () => number;
}

/** The request for a pod's subresource that a path of a kubelet amounts to; `undefined` for paths that are the node's own. */
export function podRequestOf(info: RequestInfo): RequestInfo | undefined {
  const [endpoint = '', namespace = '', name = ''] = info.rest.filter((segment) => segment !== '');
  const target = podEndpoints.get(endpoint.toLowerCase());
  if (!target || namespace === '' || name === '') return undefined;
  return { ...info, ...target, resource: 'pods', namespace, name, rest: [] };
}

/** What a kubelet calls the options of a connection, by their names in the API. */
const kubeletNames = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' } as const;

/** The options of such a request as the API spells them: what admission looks at. */
export function podOptionsOf(info: RequestInfo, query: URLSearchParams): URLSearchParams {
  const [endpoint = '', , , ...container] = info.rest.filter((segment) => segment !== '');
  const options = new URLSearchParams();
  for (const [name, kubelets] of Object.entries(kubeletNames))
    if (query.get(kubelets) === '1') options.set(name, 'true');
  const named = container.at(-1); // behind the pod's uid, where one is given
  if (named !== undefined) options.set('container', named);
  const run = endpoint.toLowerCase() === 'run';
  const command = run ? (query.get('cmd') ?? '').split(' ').filter((word) => word !== '') : query.getAll('command');
  for (const word of command) options.append('command', word);
  for (const ports of query.getAll('port')) options.append('ports', ports);
  return options;
}

/**
 * Judges a request for `nodes/proxy` that leads into a pod as what it is: the user needs the pod's own subresource, admission is asked, and
 * the audit log has it under the pod. By itself `get nodes/proxy` would run commands in every pod of the node, past admission
 * (kubernetes/kubernetes#119640). An upgrade that leads nowhere known needs `create`, as all upgrades do.
 * Returns the pod's audit record, which the caller completes. @throws {ApiError} 403
 */
export async function judgeKubeletRequest(
  context: RequestContext,
  { authorizer, admit, auditor, now }: KubeletEndpointOptions,
): Promise<AuditRecord | undefined> {
  const { exchange, info, user } = context;
  const pod = podRequestOf(info);
  if (!pod) {
    if (exchange.upgrade && info.verb !== 'create')
      await requirePermission(context, { ...info, verb: 'create' }, authorizer);
    return undefined;
  }
  const record = auditor.begin({
    auditId: context.audit?.auditId ?? auditIdOf(exchange.headers),
    requestUri: exchange.url,
    info: pod,
    user,
    headers: exchange.headers,
    remoteAddress: exchange.socket.remoteAddress,
    receivedAtMs: now(),
  });
  context.annotate('proxy.fairlead.dev/acts-as', `${pod.verb} pods/${pod.subresource} ${pod.namespace}/${pod.name}`);
  try {
    await requirePermission(context, pod, authorizer, record);
    await admit({ ...context, info: pod, audit: record }, podOptionsOf(info, exchange.query));
  } catch (error) {
    record?.complete(403);
    throw error;
  }
  return record;
}

async function requirePermission(
  { exchange, user }: RequestContext,
  info: RequestInfo,
  authorizer: Authorizer,
  record?: AuditRecord,
): Promise<void> {
  const attributes = attributesOf(user, info, exchange.query);
  const decision = await authorizer.authorize(attributes);
  const allowed = decision.verdict === 'allow';
  record?.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
  record?.annotate('authorization.k8s.io/reason', decision.reason);
  if (!allowed) throw forbiddenRequest(attributes, decision);
}
