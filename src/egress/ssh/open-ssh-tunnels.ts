import { readFile } from 'node:fs/promises';
import type { Node } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import type { Dial } from '../../stream/dial.ts';
import { authorityOf } from '../target-text.ts';
import { KnownHosts, signatureAlgorithms } from './known-hosts.ts';
import { ensureSshKey } from './ssh-key-file.ts';
import { isSameSshNode, type SshNode, sshHostKeysAnnotation, sshNodeOf } from './ssh-node.ts';
import { openSshSession, type SshSession } from './ssh-session.ts';
import { SshTunnel } from './ssh-tunnel.ts';

export interface SshTunnelsConfig {
  /** `--ssh-user` */
  readonly user: string;
  /** `--ssh-keyfile`: ed25519 or ECDSA; made where it does not exist. */
  readonly keyFile: string;
  /** Keys of the nodes' SSH servers. @default only what Nodes publish */
  readonly knownHostsFile?: string;
}

export interface SshTunnelsOptions {
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  readonly log: Logger;
}

/** One SSH connection for each node whose recorded route is `ssh`. */
export interface SshTunnels extends AsyncDisposable {
  /** For `createEgress`. */
  readonly dial: Dial;
  /** Opens and closes tunnels as nodes come and go, from now on. Called once, when the API server's objects are there. */
  follow(objects: ObjectSource): void;
  /** Upstream's check `ssh-tunnels`: what is wrong where a node has had no tunnel for ten minutes. */
  health(): string | undefined;
}

const unhealthyMs = 600_000;

/**
 * SSH tunnels, upstream's deprecated way to nodes, with verified host keys and strictly through the node that the target belongs to.
 * @throws {ConfigError} for a key or a known-hosts file that cannot be used
 */
export async function openSshTunnels(config: SshTunnelsConfig, options: SshTunnelsOptions): Promise<SshTunnels> {
  const { clock = systemClock, metrics = new Metrics(), log } = options;
  const privateKey = await ensureSshKey(config.keyFile, { user: config.user, log });
  const knownHosts = async () =>
    new KnownHosts(config.knownHostsFile === undefined ? '' : await readFile(config.knownHostsFile, 'utf8'));
  let known = await knownHosts();
  const opens = metrics.counter({ name: 'ssh_tunnel_open_count', help: 'Counter of ssh tunnel total open attempts' });
  const failures = metrics.counter({
    name: 'ssh_tunnel_open_fail_count',
    help: 'Counter of ssh tunnel failed open attempts',
  });
  const tunnels = new Map<string, { readonly node: SshNode; readonly tunnel: SshTunnel }>();
  const closing = new Set<Promise<void>>();
  let subscription: Disposable | undefined;

  async function connect(node: SshNode, signal: AbortSignal): Promise<SshSession> {
    opens.inc();
    return openSshSession({
      ...node,
      user: config.user,
      privateKey,
      signal,
      hostKeyAlgorithms: hostKeyAlgorithms(node),
      verifyHostKey: (key) => {
        const isKey = (each: { key: Buffer }) => each.key.equals(key);
        return node.accepted.some(isKey) && !node.revoked.some(isKey);
      },
    });
  }

  function close(name: string): void {
    const open = tunnels.get(name);
    if (!open) return;
    tunnels.delete(name);
    const closed = open.tunnel[Symbol.asyncDispose]().finally(() => closing.delete(closed));
    closing.add(closed);
  }

  function update(name: string, object: Node | undefined): void {
    let node: SshNode | undefined;
    try {
      node = object && sshNodeOf(object, known);
    } catch (error) {
      log.warn('Node cannot be reached by SSH', { node: name, error });
    }
    const open = tunnels.get(name);
    if (open && node && isSameSshNode(open.node, node)) return;
    close(name);
    if (!node) return;
    const current = node;
    const tunnel = new SshTunnel({
      // The operator's file may have changed since.
      connect: async (signal) => {
        known = await knownHosts();
        return connect((object && sshNodeOf(object, known)) ?? current, signal);
      },
      onOpen: () => {},
      onFailure: () => failures.inc(),
      clock,
      log: log.with({ node: name, server: authorityOf(node) }),
    });
    tunnels.set(name, { node, tunnel });
  }

  return {
    dial: async (target, { signal, onRoute }) => {
      const open = target.node === undefined ? undefined : tunnels.get(target.node);
      if (!open) throw new Error('no SSH tunnel to this node');
      onRoute?.({ kind: 'ssh', via: authorityOf(open.node) });
      return open.tunnel.forward(target, signal);
    },
    follow(objects) {
      subscription?.[Symbol.dispose]();
      subscription = objects.subscribe<Node>('nodes', ({ before, after }) => {
        update((after ?? before)?.metadata?.name ?? '', after);
      });
      for (const node of objects.list<Node>('nodes')) update(node.metadata?.name ?? '', node);
    },
    health() {
      const down = [...tunnels].filter(([, { tunnel }]) => tunnel.downMs > unhealthyMs).map(([name]) => name);
      return down.length === 0 ? undefined : `no SSH tunnel for more than ten minutes: ${down.join(', ')}`;
    },
    async [Symbol.asyncDispose]() {
      subscription?.[Symbol.dispose]();
      for (const name of [...tunnels.keys()]) close(name);
      await Promise.all(closing);
    },
  };
}

/** Only what a known key can sign with is offered, so that the server shows a key that can be judged. @throws where none is known */
function hostKeyAlgorithms({ accepted, name }: SshNode): string[] {
  if (accepted.length === 0) {
    throw new Error(
      `the key of its SSH server is not known: add it to the known-hosts file or to the annotation ${sshHostKeysAnnotation} of node ${name}`,
    );
  }
  return [...new Set(accepted.flatMap(({ type }) => signatureAlgorithms(type)))];
}
