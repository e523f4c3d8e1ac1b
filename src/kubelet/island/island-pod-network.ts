import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../lib/log.ts';
import { AddressRange } from '../address-range.ts';
import type { PodNetwork } from '../pod-network.ts';
import { runHelper, runIp } from './ip-command.ts';

export interface IslandPodNetworkOptions {
  /** Where pods' namespaces are kept as files. A file system of this run: what an earlier one left is gone with its processes. */
  readonly directory: string;
  readonly log: Logger;
  /** How long a pod waits for the range. @default 30000 */
  readonly rangeTimeoutMs?: number;
}

/** Nothing here leaves the machine, so that packets may be as large as the kernel makes them. */
const mtu = 65_520;

/**
 * A network namespace for each pod: its `eth0` and a link in the agent's own namespace are the two ends of one cable, with a route to the pod's
 * address on this side and one to everything on the other. A packet between two pods so passes the agent's namespace in both directions, and with
 * that the rules of Services; over a bridge, answers would go past them. Needs the rights over the agent's network namespace, which who made it has.
 */
export class IslandPodNetwork implements PodNetwork {
  readonly #options: IslandPodNetworkOptions;
  readonly #opened = Promise.withResolvers<AddressRange>();
  readonly #attached = new Map<string, Promise<string>>();
  #range: AddressRange | undefined;

  constructor(options: IslandPodNetworkOptions) {
    this.#options = options;
    this.#opened.promise.catch(() => {}); // those who wait for it hear
  }

  get cidr(): string | undefined {
    return this.#range?.cidr;
  }

  /** Takes the range that the node was given into use; pods that wait for it go on. Called once. */
  async open(cidr: string): Promise<void> {
    try {
      const range = new AddressRange(cidr);
      await runIp([`addr add ${range.gateway}/32 dev lo`]);
      this.#range = range;
      this.#opened.resolve(range);
    } catch (error) {
      this.#opened.reject(error);
      throw error;
    }
  }

  namespaceOf(podUid: string): string {
    return join(this.#options.directory, podUid);
  }

  attach(podUid: string, { wanted }: { wanted?: string }): Promise<string> {
    let attached = this.#attached.get(podUid);
    if (!attached) {
      attached = this.#attach(podUid, wanted);
      this.#attached.set(podUid, attached);
      attached.catch(() => this.#attached.delete(podUid)); // the next call tries again
    }
    return attached;
  }

  async detach(podUid: string): Promise<void> {
    const address = await this.#attached.get(podUid)?.catch(() => undefined);
    this.#attached.delete(podUid);
    if (address === undefined) return;
    await this.#unmake(podUid, address);
    this.#range?.release(podUid);
  }

  async #attach(podUid: string, wanted: string | undefined): Promise<string> {
    const range = await this.#untilOpen();
    const address = range.claim(podUid, wanted);
    const link = linkOf(address);
    const file = this.namespaceOf(podUid);
    try {
      await writeFile(file, '');
      await runIp(
        [
          'link set lo up',
          `link add name eth0 mtu ${mtu} type veth peer name ${link} mtu ${mtu} netns ${process.pid}`,
          `addr add ${address}/32 dev eth0`,
          'link set eth0 up',
          `route add ${range.gateway}/32 dev eth0 scope link`,
          `route add default via ${range.gateway} src ${address}`,
        ],
        { enter: ['unshare', `--net=${file}`] },
      );
      await runIp([`link set ${link} up`, `route add ${address}/32 dev ${link} src ${range.gateway}`]);
      return address;
    } catch (error) {
      await this.#unmake(podUid, address);
      range.release(podUid);
      throw new Error(`cannot make the network of the pod: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Taking away one end of the cable takes away the other. The namespace goes with the last process in it. */
  async #unmake(podUid: string, address: string): Promise<void> {
    const { log } = this.#options;
    const file = this.namespaceOf(podUid);
    for (const command of [
      ['ip', 'link', 'delete', linkOf(address)],
      ['umount', '-l', file],
    ]) {
      await runHelper(command).catch((error: unknown) =>
        log.debug('A part of the pod network is gone', { podUid, error }),
      );
    }
    await rm(file, { force: true });
  }

  async #untilOpen(): Promise<AddressRange> {
    if (this.#range) return this.#range;
    const { rangeTimeoutMs = 30_000 } = this.#options;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error('the control plane has given this node no pod range (spec.podCIDR)')),
      rangeTimeoutMs,
    );
    try {
      return await Promise.race([this.#opened.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Named for the pod's address, which one pod at a time has, in at most 15 bytes: `pod0af40005`. */
function linkOf(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `pod${bytes.join('')}`;
}
