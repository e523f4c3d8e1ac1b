import { ApiError, badRequest } from '../../api/errors.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Auditor } from '../audit/auditor.ts';
import type { FrontProxyConfig } from '../config.ts';
import type { RequestContext } from '../exchange.ts';
import type { ConnectHandler } from '../review.ts';
import { methodNotAllowed } from '../verbs/options.ts';
import { refuseUnproved, warningOf } from './backend-trust.ts';
import { type FindTargetOptions, findNode, findPod, findService, type TargetRequest } from './find-target.ts';
import { judgeKubeletRequest } from './kubelet-endpoints.ts';
import { ProxyConnections } from './proxy-connections.ts';
import { parseProxyId } from './proxy-id.ts';
import { splitProxyPath } from './proxy-path.ts';
import { proxyRequest } from './proxy-request.ts';
import type { ProxyTarget } from './proxy-target.ts';
import { proxyUpgrade } from './proxy-upgrade.ts';

export interface ProxyHandlersOptions extends FindTargetOptions {
  readonly frontProxy: FrontProxyConfig | undefined;
  readonly authorizer: Authorizer;
  /** Asks admission about a connection (operation CONNECT). `query` has its options where the request says them in other words. */
  readonly admit: (context: RequestContext, query?: URLSearchParams) => Promise<void>;
  readonly auditor: Auditor;
  readonly metrics: Metrics;
  readonly now: () => number;
}

/** `nodes/proxy`, `pods/proxy` and `services/proxy` as the router takes them. Disposal ends the connections that are kept for later requests. */
export interface ProxyHandlers extends Disposable {
  readonly handlers: ReadonlyMap<string, ConnectHandler>;
}

type Serve = (context: RequestContext, request: TargetRequest) => Promise<number>;

/** OPTIONS has no verb; the old prefixes `watch/` and `proxy/` have verbs that are not among these. */
const verbs: ReadonlySet<string> = new Set(['get', 'create', 'update', 'patch', 'delete', '']);
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export function createProxyHandlers(options: ProxyHandlersOptions): ProxyHandlers {
  const pool = new ProxyConnections();
  const isIdentity = identityHeaders(options.frontProxy);
  const requests = options.metrics.counter({
    name: 'fairlead_apiserver_proxy_requests_total',
    help: 'Requests passed on to nodes, pods and services, by what was proved about the other end.',
    labels: ['resource', 'transport', 'upgrade'],
  });

  const serveVia =
    (find: (request: TargetRequest, options: FindTargetOptions) => Promise<ProxyTarget>): Serve =>
    async (context, request) => {
      const { exchange, info } = context;
      const { upgrade } = exchange;
      const target = await find(request, options);
      const { transport } = target;
      const warnings: string[] = [];
      context.annotate('proxy.fairlead.dev/transport', transport);
      if (transport !== 'verified') {
        if (options.config.strict) throw refuseUnproved(info.resource, info.name, transport);
        const { tunnelledTo } = target;
        warnings.push(warningOf({ resource: info.resource, id: info.name, kind: transport, tunnelledTo }));
      }
      requests.inc({ resource: info.resource, transport, upgrade: String(upgrade !== undefined) });
      for (const warning of warnings) context.warn(warning);
      if (upgrade) return proxyUpgrade(context, { target, upgrade, warnings, isIdentity });
      return proxyRequest(context, { target, prefix: request.path.prefix, pool, isIdentity });
    };

  const handler =
    (kind: string, serve: Serve): ConnectHandler =>
    async (context) => {
      const { exchange, info } = context;
      if (!verbs.has(info.verb)) throw unknownResource();
      if (!methods.has(exchange.method)) throw methodNotAllowed();
      if (exchange.query.has('dryRun')) throw badRequest('dryRun is not supported');
      const id = parseProxyId(info.name, kind);
      await options.admit(context);
      const path = splitProxyPath(exchange.url, info);
      if (path.path === '' && !exchange.upgrade && (exchange.method === 'GET' || exchange.method === 'HEAD')) {
        return exchange.respond(301, { location: `${path.prefix}/${path.search}` });
      }
      await serve(context, { id, info, path });
    };

  const serveNode = serveVia(findNode);
  const serveJudgedNode: Serve = async (context, request) => {
    const record = await judgeKubeletRequest(context, options);
    try {
      const status = await serveNode(context, request);
      record?.complete(status);
      return status;
    } catch (error) {
      record?.complete(503);
      throw error;
    }
  };
  return {
    handlers: new Map([
      ['nodes/proxy', handler('node', serveJudgedNode)],
      ['pods/proxy', handler('pod', serveVia(findPod))],
      ['services/proxy', handler('service', serveVia(findService))],
    ]),
    [Symbol.dispose]: () => pool[Symbol.dispose](),
  };
}

function unknownResource(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource', { details: {} });
}

/** Names that the front proxy may use beside upstream's own. */
function identityHeaders(config: FrontProxyConfig | undefined): (name: string) => boolean {
  const { usernameHeaders = [], uidHeaders = [], groupHeaders = [], extraHeaderPrefixes = [] } = config ?? {};
  const names = new Set([...usernameHeaders, ...uidHeaders, ...groupHeaders].map((name) => name.toLowerCase()));
  const prefixes = extraHeaderPrefixes.map((prefix) => prefix.toLowerCase());
  return (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
