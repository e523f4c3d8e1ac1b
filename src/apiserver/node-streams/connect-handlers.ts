import type { Authorizer } from '../../auth/authorizer.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Dial } from '../../stream/dial.ts';
import type { Auditor } from '../audit/auditor.ts';
import type { ApiServerConfig } from '../config.ts';
import type { RequestContext } from '../exchange.ts';
import { createProxyHandlers } from '../proxy/proxy-handlers.ts';
import type { ConnectHandler } from '../review.ts';
import { defaultPreferredAddressTypes } from './kubelet-address.ts';
import { createKubeletConnector } from './kubelet-connector.ts';
import { createNodeStreams } from './node-streams.ts';

export interface ConnectHandlersOptions {
  readonly config: Pick<ApiServerConfig, 'kubelet' | 'proxy' | 'frontProxy'>;
  /** @default every request that needs a node fails and says so */
  readonly dial: Dial | undefined;
  readonly objects: ObjectSource;
  readonly authorizer: Authorizer;
  /** Asks admission about a connection (operation CONNECT). `query` has its options where the request says them in other words. */
  readonly admit: (context: RequestContext, query?: URLSearchParams) => Promise<void>;
  readonly auditor: Auditor;
  readonly metrics: Metrics;
  readonly now: () => number;
  /** Whether an address is one of the control plane's own, which is never proxied to. */
  readonly reserved: (address: string) => boolean;
  readonly log: Logger;
}

/** Disposal ends the connections that proxies keep for later requests. */
export interface ConnectHandlers extends Disposable {
  readonly handlers: ReadonlyMap<string, ConnectHandler>;
}

/** What leads to nodes, pods and Services as the router takes it, by `pods/exec`. */
export function connectHandlers(options: ConnectHandlersOptions): ConnectHandlers {
  const { objects, authorizer, admit, log } = options;
  const config = options.config.kubelet;
  const dial: Dial =
    options.dial ?? (() => Promise.reject(new Error('this API server was started without a way to nodes')));
  const kubelet = createKubeletConnector({
    dial,
    objects,
    certificateAuthorityPem: config.certificateAuthorityPem,
    ...(config.client && { clientCertificate: config.client.certificatePem, clientKey: config.client.keyPem }),
    ...(config.preferredAddressTypes && { preferredAddressTypes: config.preferredAddressTypes }),
    ...(config.timeoutMs !== undefined && { timeoutMs: config.timeoutMs }),
    log,
  });
  const { exec, attach, portforward, log: logs } = createNodeStreams({ objects, kubelet, authorizer, admit, log });
  const proxy = createProxyHandlers({
    ...options,
    dial,
    kubelet,
    kubeletVerified: config.certificateAuthorityPem !== undefined,
    preferredAddressTypes: config.preferredAddressTypes ?? defaultPreferredAddressTypes,
    config: options.config.proxy ?? {},
    frontProxy: options.config.frontProxy,
  });
  return {
    handlers: new Map([
      ['pods/exec', exec],
      ['pods/attach', attach],
      ['pods/portforward', portforward],
      ['pods/log', logs],
      ...proxy.handlers,
    ]),
    [Symbol.dispose]: () => proxy[Symbol.dispose](),
  };
}
