import type { Authorizer } from '../../auth/authorizer.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dial } from '../../stream/dial.ts';
import type { KubeletClientConfig } from '../config.ts';
import type { RequestContext } from '../exchange.ts';
import type { ConnectHandler } from '../review.ts';
import { createKubeletConnector } from './kubelet-connector.ts';
import { createNodeStreams } from './node-streams.ts';

export interface ConnectHandlersOptions {
  readonly kubelet: KubeletClientConfig;
  /** @default every request that needs a node fails and says so */
  readonly dial: Dial | undefined;
  readonly objects: ObjectSource;
  readonly authorizer: Authorizer;
  /** Asks admission about a connection (operation CONNECT). */
  readonly admit: (context: RequestContext) => Promise<void>;
  readonly log: Logger;
}

/** The handlers of this folder as the router takes them, by `pods/exec`. */
export function connectHandlers(options: ConnectHandlersOptions): ReadonlyMap<string, ConnectHandler> {
  const { kubelet: config, objects, authorizer, admit, log } = options;
  const kubelet = createKubeletConnector({
    dial: options.dial ?? (() => Promise.reject(new Error('this API server was started without a way to nodes'))),
    objects,
    certificateAuthorityPem: config.certificateAuthorityPem,
    ...(config.client && { clientCertificate: config.client.certificatePem, clientKey: config.client.keyPem }),
    ...(config.preferredAddressTypes && { preferredAddressTypes: config.preferredAddressTypes }),
    ...(config.timeoutMs !== undefined && { timeoutMs: config.timeoutMs }),
    log,
  });
  const { exec, attach, portforward, log: logs } = createNodeStreams({ objects, kubelet, authorizer, admit, log });
  return new Map([
    ['pods/exec', exec],
    ['pods/attach', attach],
    ['pods/portforward', portforward],
    ['pods/log', logs],
  ]);
}
