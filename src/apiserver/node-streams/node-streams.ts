import { ApiError } from '../../api/errors.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Logger } from '../../lib/log.ts';
import { attributesOf, forbiddenRequest } from '../authorize.ts';
import type { RequestContext } from '../exchange.ts';
import type { ConnectHandler } from '../review.ts';
import type { KubeletConnector } from './kubelet-connector.ts';
import { serveLog } from './log.ts';
import { servePortForward } from './port-forward.ts';
import { serveRemoteCommand } from './remote-command.ts';

export interface NodeStreamsOptions {
  readonly objects: ObjectSource;
  readonly kubelet: KubeletConnector;
  /** Asked for `create` when a client opens a stream by GET, which by itself needs only `get`. */
  readonly authorizer: Authorizer;
  /** Asks admission about the connection. @default everything is admitted */
  readonly admit?: (context: RequestContext) => Promise<void>;
  readonly log: Logger;
}

/** The subresources of pods that lead to a kubelet, as the router takes them: `pods/exec` and so on. */
export interface NodeStreams {
  readonly exec: ConnectHandler;
  readonly attach: ConnectHandler;
  readonly portforward: ConnectHandler;
  readonly log: ConnectHandler;
}

export function createNodeStreams(options: NodeStreamsOptions): NodeStreams {
  const streaming =
    (serve: ConnectHandler): ConnectHandler =>
    async (context) => {
      if (context.info.verb !== 'create' && context.info.verb !== 'get') throw methodNotAllowed(context);
      await requireCreate(context, options.authorizer);
      await options.admit?.(context);
      await serve(context);
    };
  return {
    exec: streaming((context) => serveRemoteCommand('exec', context, options)),
    attach: streaming((context) => serveRemoteCommand('attach', context, options)),
    portforward: streaming((context) => servePortForward(context, options)),
    log: async (context) => {
      if (context.info.verb !== 'get') throw methodNotAllowed(context);
      await serveLog(context, options);
    },
  };
}

/**
 * Running commands is no reading: `get` on `pods/exec` is not enough, although WebSockets are opened by GET.
 * Source: upstream's gate `AuthorizePodWebsocketUpgradeCreatePermission`.
 */
async function requireCreate({ info, user, exchange }: RequestContext, authorizer: Authorizer): Promise<void> {
  if (info.verb === 'create') return;
  const attributes = attributesOf(user, { ...info, verb: 'create' }, exchange.query);
  const decision = await authorizer.authorize(attributes);
  if (decision.verdict !== 'allow') throw forbiddenRequest(attributes, decision);
}

function methodNotAllowed({ exchange }: RequestContext): ApiError {
  return new ApiError(
    'MethodNotAllowed',
    `the server does not allow this method on the requested resource (${exchange.method})`,
  );
}
