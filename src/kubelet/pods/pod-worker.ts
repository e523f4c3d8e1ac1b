import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../api/errors.ts';
import type { Pod, PodStatus } from '../../api/kubernetes/core-v1.ts';
import { pods } from '../../client/resources.ts';
import { formatTime } from '../../lib/clock.ts';
import type { Runtime, Sandbox, SandboxConfig } from '../runtimes/runtime.ts';
import { PodVolumes } from '../volumes/pod-volumes.ts';
import { conditionsOf } from './pod-conditions.ts';
import { PodContainers } from './pod-containers.ts';
import { dnsOf, formatResolvConf } from './pod-dns.ts';
import { type PodPhase, phaseOf } from './pod-phase.ts';
import type { PodServices } from './pod-services.ts';

/** Volumes are brought up to date, and everything is looked at again, at least this often. */
const resyncMs = 60_000;
const maxRetryMs = 10_000;
const forcedGraceMs = 2_000;
const releaseMs = 2_000;

type Intent =
  | { readonly kind: 'run' }
  /** The API server shows a deletion timestamp. */
  | { readonly kind: 'terminate'; readonly graceMs: number }
  /** The object is gone, or was never there. */
  | { readonly kind: 'remove' };

/**
 * Everything that happens to one pod on its node, one step at a time: sandbox, volumes, containers, status, end.
 * It is told the newest object and woken by its runtime; what it does follows from what it finds, never from what it remembers.
 */
export class PodWorker {
  readonly uid: string;
  /** Resolves when the pod has gone from the node, or the worker was let go. */
  readonly ended: Promise<void>;
  readonly #services: PodServices;
  readonly #runtime: Runtime;
  readonly #containers: PodContainers;
  readonly #volumes: PodVolumes;
  readonly #directory: string;
  readonly #logDirectory: string;
  #pod: Pod;
  #intent: Intent = { kind: 'run' };
  #status: PodStatus | undefined;
  #reported: PodStatus | undefined;
  #verdict: { phase: PodPhase; reason: string; message: string } | undefined;
  #volumesMs = Number.NEGATIVE_INFINITY;
  #volumeError = '';
  #released = false;
  #awake = true;
  #wake: () => void = () => {};

  constructor(pod: Pod, services: PodServices) {
    const { uid = '', namespace, name } = pod.metadata ?? {};
    this.uid = uid;
    this.#pod = pod;
    this.#services = services;
    this.#runtime = services.runtimeFor(pod);
    this.#directory = join(services.dataDirectory, 'pods', uid);
    this.#logDirectory = join(services.dataDirectory, 'logs', `${namespace}_${name}_${uid}`);
    this.#volumes = new PodVolumes(this.#directory);
    this.#containers = new PodContainers(pod, {
      services,
      runtime: this.#runtime,
      directory: this.#directory,
      volumes: this.#volumes,
      wake: () => this.wake(),
    });
    this.#intend(pod);
    this.ended = this.#run();
  }

  /** The newest object with the status as this node knows it. */
  get pod(): Pod {
    return this.#status ? { ...this.#pod, status: { ...this.#pod.status, ...this.#status } } : this.#pod;
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  get sandbox(): Sandbox | undefined {
    return this.#runtime.listSandboxes().find(({ pod, state }) => pod.uid === this.uid && state === 'ready');
  }

  /** A newer object. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    this.#containers.pod = pod;
    this.#intend(pod);
    const same =
      isDeepStrictEqual(pod.spec, before.spec) &&
      isDeepStrictEqual(pod.metadata?.labels, before.metadata?.labels) &&
      isDeepStrictEqual(pod.metadata?.annotations, before.metadata?.annotations) &&
      isDeepStrictEqual(foreignConditions(pod), foreignConditions(before)) &&
      pod.metadata?.deletionTimestamp === before.metadata?.deletionTimestamp;
    if (!same || pod.status?.phase !== this.#status?.phase) this.wake();
  }

  /** The object has gone: what is left of the pod is ended and removed. */
  remove(): void {
    this.#intent = { kind: 'remove' };
    this.#hurry(forcedGraceMs);
    this.wake();
  }

  /** Something has happened: look again. */
  wake(): void {
    this.#awake = true;
    this.#wake();
  }

  /** Ends the worker and leaves the pod's containers as they are. */
  async release(): Promise<void> {
    this.#released = true;
    this.wake();
    this.#containers[Symbol.dispose]();
    // A step that waits for a container's grace is not waited for: the next agent goes on with it.
    await Promise.race([this.ended, this.#services.clock.delay(releaseMs)]);
  }

  /** Stops the pod's containers without telling the API server: for a node that goes down and will come back. */
  async stopContainers(maxGraceMs: number): Promise<void> {
    const graceMs = (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    await this.#containers.stop(Math.min(graceMs, maxGraceMs));
  }

  #intend({ metadata, spec }: Pod): void {
    if (this.#intent.kind === 'remove' || metadata?.deletionTimestamp === undefined) return;
    const seconds = metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30;
    const before = this.#intent;
    this.#intent = { kind: 'terminate', graceMs: seconds * 1000 };
    if (before.kind === 'terminate' && before.graceMs > seconds * 1000) this.#hurry(seconds * 1000);
  }

  /** A termination that is under way gets less time. */
  #hurry(graceMs: number): void {
    for (const { id } of this.#containers.running()) {
      void this.#runtime.stopContainer(id, { graceMs }).catch(() => {}); // it has ended meanwhile
    }
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#services;
    for (let failures = 0; !this.#released; ) {
      this.#awake = false;
      let waitMs: number;
      try {
        const next = await this.#step();
        if (next === 'gone') return;
        waitMs = Math.min(next, resyncMs);
        failures = 0;
      } catch (error) {
        log.warn('Pod worker failed', { pod: this.#pod.metadata?.name, error });
        waitMs = Math.min(maxRetryMs, 200 * 2 ** failures++);
      }
      if (this.#awake || this.#released) continue;
      const controller = new AbortController();
      this.#wake = () => controller.abort();
      await clock.delay(waitMs, { signal: controller.signal }).catch(() => {});
    }
  }

  async #step(): Promise<number | 'gone'> {
    if (this.#intent.kind !== 'run') return this.#terminate(this.#intent);
    const { phase, reason = '', message = '' } = this.#pod.status ?? {};
    if (!this.#verdict && (phase === 'Succeeded' || phase === 'Failed')) this.#verdict = { phase, reason, message };
    this.#checkDeadline();
    if (this.#verdict) return this.#settle();
    let waitMs = Number.POSITIVE_INFINITY;
    if (await this.#prepare()) {
      const sandbox = this.sandbox ?? (await this.#createSandbox());
      waitMs = await this.#containers.advance(sandbox);
    } else waitMs = 2_000;
    const built = this.#buildStatus({ ending: false });
    if (built.phase === 'Succeeded' || built.phase === 'Failed') {
      this.#verdict = { phase: built.phase, reason: '', message: '' };
      return this.#settle();
    }
    await this.#report(built);
    return Math.min(waitMs, this.#deadlineMs());
  }

  /** A pod whose phase is final: nothing of it runs, its containers and logs stay until it is deleted. */
  async #settle(): Promise<number> {
    if (this.#containers.running().length > 0) await this.#containers.stop(this.#graceMs());
    const { sandbox } = this;
    await this.#containers.observe();
    await this.#report(this.#buildStatus({ ending: true }));
    if (sandbox) await this.#runtime.stopSandbox(sandbox.id);
    return Number.POSITIVE_INFINITY;
  }

  async #terminate(intent: Exclude<Intent, { kind: 'run' }>): Promise<'gone'> {
    const graceMs = intent.kind === 'terminate' ? intent.graceMs : forcedGraceMs;
    await this.#containers.stop(graceMs);
    if (this.#intent.kind === 'terminate') {
      await this.#report(this.#buildStatus({ ending: true }));
      await this.#deleteObject();
    }
    for (const { id, pod } of this.#runtime.listSandboxes())
      if (pod.uid === this.uid) await this.#runtime.removeSandbox(id);
    await this.#services.network.detach(this.uid);
    this.#containers[Symbol.dispose]();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
    await rm(this.#logDirectory, { recursive: true, force: true, maxRetries: 3 });
    return 'gone';
  }

  /** The node's part of a deletion is done: this removes the object. */
  async #deleteObject(): Promise<void> {
    const { namespace = '', name = '' } = this.#pod.metadata ?? {};
    try {
      const preconditions = { uid: this.uid };
      await this.#services.client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** Volumes. `false`: they cannot be made now; the pod shows why and tries again. */
  async #prepare(): Promise<boolean> {
    const { clock, resources, hostIp, nodeName, network } = this.#services;
    const needed = !this.sandbox || clock.now() - this.#volumesMs >= resyncMs;
    if (!needed && this.#volumeError === '') return true;
    const podIp = this.#pod.spec?.hostNetwork ? hostIp : await network.attach(this.uid, this.#wanted());
    const { sandbox } = this;
    // After a new start the node may have another range: a sandbox with an address that leads nowhere gives way to a new one.
    if (sandbox && sandbox.ip !== podIp) await this.#runtime.stopSandbox(sandbox.id);
    try {
      await this.#volumes.prepare({ pod: this.#pod, resources, addresses: { podIp, hostIp, nodeName } });
      this.#volumesMs = clock.now();
      this.#volumeError = '';
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#volumeError) {
        this.#services.record(this.#pod, { type: 'Warning', reason: 'FailedMount', message });
      }
      this.#volumeError = message;
      return this.sandbox !== undefined; // what runs goes on with the old content
    }
  }

  async #createSandbox(): Promise<Sandbox> {
    const { metadata, spec } = this.#pod;
    const { hostIp, clusterDns = [] } = this.#services;
    const dns = dnsOf(this.#pod, clusterDns);
    const { namespace = '', name = '', annotations = {}, labels = {} } = metadata ?? {};
    for (const { id, pod } of this.#runtime.listSandboxes())
      if (pod.uid === this.uid) await this.#runtime.removeSandbox(id);
    return this.#runtime.runSandbox({
      pod: { namespace, name, uid: this.uid },
      hostname: spec?.hostname || name.slice(0, 63),
      ...(spec?.hostNetwork ? { ip: hostIp } : await this.#network()),
      ...(dns && { resolvConf: formatResolvConf(dns) }),
      logDirectory: this.#logDirectory,
      annotations,
      labels,
      hostAliases: (spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => ({ ip, hostnames })),
    });
  }

  async #network(): Promise<Pick<SandboxConfig, 'ip' | 'networkNamespace'>> {
    const { network } = this.#services;
    const ip = await network.attach(this.uid, this.#wanted());
    return network.namespaceOf ? { ip, networkNamespace: network.namespaceOf(this.uid) } : { ip };
  }

  #wanted(): { wanted?: string } {
    const ip = this.#runtime.listSandboxes().find(({ pod }) => pod.uid === this.uid)?.ip ?? this.#pod.status?.podIP;
    return ip === undefined ? {} : { wanted: ip };
  }

  #checkDeadline(): void {
    if (this.#verdict || this.#deadlineMs() > 0) return;
    const message = 'Pod was active on the node longer than the specified deadline';
    this.#services.record(this.#pod, { type: 'Normal', reason: 'DeadlineExceeded', message });
    this.#verdict = { phase: 'Failed', reason: 'DeadlineExceeded', message };
  }

  /** How long the pod may still run. */
  #deadlineMs(): number {
    const seconds = this.#pod.spec?.activeDeadlineSeconds;
    const startTime = this.#status?.startTime ?? this.#pod.status?.startTime;
    if (seconds === undefined || startTime === undefined) return Number.POSITIVE_INFINITY;
    return Date.parse(startTime) + seconds * 1000 - this.#services.clock.now();
  }

  #buildStatus({ ending }: { ending: boolean }): PodStatus {
    const { clock, hostIp } = this.#services;
    const nowMs = clock.now();
    const { init, main, ephemeral } = this.#containers.statuses();
    const phase = this.#verdict?.phase ?? phaseOf(this.#pod, { init, main }, { ending });
    const { sandbox } = this;
    const podIp = sandbox?.ip ?? this.#pod.status?.podIP;
    const known = {
      ...this.#pod,
      status: { ...this.#pod.status, ...(this.#status && { conditions: this.#conditions() }) },
    };
    const conditions = conditionsOf(known, { phase, sandboxReady: sandbox !== undefined, init, main }, nowMs);
    return {
      phase,
      ...(this.#pod.metadata?.generation !== undefined && { observedGeneration: this.#pod.metadata.generation }),
      ...(this.#verdict?.reason && { reason: this.#verdict.reason, message: this.#verdict.message }),
      conditions,
      hostIP: hostIp,
      hostIPs: [{ ip: hostIp }],
      ...(podIp !== undefined && { podIP: podIp, podIPs: [{ ip: podIp }] }),
      startTime: this.#status?.startTime ?? this.#pod.status?.startTime ?? formatTime(nowMs),
      ...(init.length > 0 && { initContainerStatuses: init }),
      containerStatuses: main,
      ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    };
  }

  /** Ours as last built, others' as last seen. */
  #conditions() {
    const ours = this.#status?.conditions ?? [];
    return [...ours, ...foreignConditions(this.#pod)];
  }

  async #report(status: PodStatus): Promise<void> {
    this.#status = status;
    if (isDeepStrictEqual(status, this.#reported)) return;
    const { namespace = '', name = '' } = this.#pod.metadata ?? {};
    const type = 'application/strategic-merge-patch+json';
    try {
      const ref = { namespace, name, subresource: 'status' };
      await this.#services.client.patch(pods, ref, { metadata: { uid: this.uid }, status }, { type });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    this.#reported = status;
  }

  #graceMs(): number {
    return (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
  }
}

const ourConditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];

function foreignConditions({ status }: Pod) {
  return (status?.conditions ?? []).filter(({ type }) => !ourConditions.includes(type));
}

/** The object is gone, or another one has its name. */
function isGone(error: unknown): boolean {
  return error instanceof ApiError && (error.reason === 'NotFound' || error.reason === 'Conflict');
}
