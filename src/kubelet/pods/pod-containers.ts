import { join } from 'node:path';
import type { Container, ContainerStatus, EphemeralContainer, Pod } from '../../api/kubernetes/core-v1.ts';
import { ContainerProbes } from '../probes/container-probes.ts';
import type { ProbeTarget } from '../probes/probe.ts';
import type { ContainerInstance, Runtime, Sandbox } from '../runtimes/runtime.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { ContainerStarter } from './container-starter.ts';
import { readTerminationMessage, statusOf } from './container-status.ts';
import { runLifecycleHook } from './lifecycle-hooks.ts';
import type { PodServices } from './pod-services.ts';
import { probeTarget } from './probe-target.ts';

type AnyContainer = Container | EphemeralContainer;

/** The containers of one pod: which of them are to be started now, and what each one's status is. */
export class PodContainers {
  readonly #services: PodServices;
  readonly #runtime: Runtime;
  readonly #directory: string;
  readonly #starter: ContainerStarter;
  readonly #wake: () => void;
  readonly #messages = new Map<string, string>();
  readonly #probes = new Map<string, ContainerProbes>();
  #pod: Pod;

  constructor(
    pod: Pod,
    options: { services: PodServices; runtime: Runtime; directory: string; volumes: PodVolumes; wake: () => void },
  ) {
    this.#pod = pod;
    this.#services = options.services;
    this.#runtime = options.runtime;
    this.#directory = options.directory;
    this.#wake = options.wake;
    this.#starter = new ContainerStarter({
      ...options,
      pod: () => this.#pod,
      instances: (name) => this.instances(name),
      messagePath: (name, attempt) => this.#messagePath(name, attempt),
      started: (container, id) => this.#afterStart(container, id),
    });
  }

  set pod(pod: Pod) {
    this.#pod = pod;
  }

  /** Newest first. */
  instances(name?: string): ContainerInstance[] {
    const uid = this.#pod.metadata?.uid;
    return this.#runtime
      .listContainers()
      .filter((instance) => instance.podUid === uid && (name === undefined || instance.name === name))
      .sort((a, b) => b.attempt - a.attempt);
  }

  running(): ContainerInstance[] {
    return this.instances().filter(({ state }) => state.phase === 'running');
  }

  /** Starts and restarts what is due. Returns after how many ms it wants to be asked again; Infinity: only when something happens. */
  async advance(sandbox: Sandbox): Promise<number> {
    await this.observe();
    const {
      initContainers = [],
      containers = [],
      ephemeralContainers = [],
      restartPolicy = 'Always',
    } = this.#pod.spec ?? {};
    const waits: number[] = [];
    const everRan = containers.some(({ name }) => this.instances(name).length > 0);
    for (const container of initContainers) {
      const sidecar = container.restartPolicy === 'Always';
      if (everRan && !sidecar) continue;
      const [newest] = this.instances(container.name);
      const done = newest?.state.phase === 'exited' && newest.state.exitCode === 0 && !sidecar;
      if (done) continue;
      waits.push(
        await this.#starter.ensure(
          container,
          sandbox,
          sidecar ? 'Always' : restartPolicy === 'Never' ? 'Never' : 'OnFailure',
        ),
      );
      const [now] = this.instances(container.name);
      const passed = sidecar && now?.state.phase === 'running' && (this.#probes.get(now.id)?.started ?? true);
      if (!passed && !everRan) return Math.min(...waits);
    }
    for (const container of containers) waits.push(await this.#starter.ensure(container, sandbox, restartPolicy));
    for (const container of ephemeralContainers) waits.push(await this.#starter.ensure(container, sandbox, 'Never'));
    return Math.min(Number.POSITIVE_INFINITY, ...waits);
  }

  /** Takes notice of what has started and ended: probes, termination messages, old instances. */
  async observe(): Promise<void> {
    const all = [...(this.#pod.spec?.initContainers ?? []), ...(this.#pod.spec?.containers ?? [])];
    for (const instance of this.instances()) {
      const container = all.find(({ name }) => name === instance.name);
      if (instance.state.phase === 'running' && container && !this.#probes.has(instance.id))
        this.#probe(container, instance);
      if (instance.state.phase !== 'exited') continue;
      this.#probes.get(instance.id)?.[Symbol.dispose]();
      this.#probes.delete(instance.id);
      if (this.#messages.has(instance.id)) continue;
      const path = this.#messagePath(instance.name, instance.attempt);
      this.#messages.set(
        instance.id,
        await readTerminationMessage(path, instance, container?.terminationMessagePolicy),
      );
    }
    for (const { name } of all) {
      for (const old of this.instances(name).slice(2)) {
        this.#messages.delete(old.id);
        await this.#runtime.removeContainer(old.id);
      }
    }
  }

  /** Stops everything: preStop, signal, kill; sidecars after the others in reverse order. */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#services;
    const deadlineMs = clock.now() + graceMs;
    const init = this.#pod.spec?.initContainers ?? [];
    const sidecars = init.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name);
    const isSidecar = ({ name }: ContainerInstance) => sidecars.includes(name);
    for (const probes of this.#probes.values()) probes.end();
    const stopOne = (instance: ContainerInstance) => this.#stopOne(instance, Math.max(0, deadlineMs - clock.now()));
    await Promise.all(
      this.running()
        .filter((instance) => !isSidecar(instance))
        .map(stopOne),
    );
    for (const name of sidecars.reverse()) {
      await Promise.all(
        this.running()
          .filter((instance) => instance.name === name)
          .map(stopOne),
      );
    }
    await this.observe();
  }

  /** Ends probes without stopping anything. */
  [Symbol.dispose](): void {
    for (const probes of this.#probes.values()) probes[Symbol.dispose]();
    this.#probes.clear();
  }

  statuses(): { init: ContainerStatus[]; main: ContainerStatus[]; ephemeral: ContainerStatus[] } {
    const { initContainers = [], containers = [], ephemeralContainers = [] } = this.#pod.spec ?? {};
    const { initContainerStatuses, containerStatuses, ephemeralContainerStatuses } = this.#pod.status ?? {};
    const initialReason = initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating';
    const status = (previous: readonly ContainerStatus[] | undefined) => (container: AnyContainer) => {
      const instances = this.instances(container.name);
      const probes = instances[0] && this.#probes.get(instances[0].id);
      const exitedWell = instances[0]?.state.phase === 'exited' && instances[0].state.exitCode === 0;
      const built = statusOf(container, {
        runtimeName: this.#runtime.name,
        instances,
        waiting: this.#starter.waiting(container.name),
        initialReason,
        started: probes?.started ?? true,
        ready: probes?.ready ?? true,
        previous: previous?.find(({ name }) => name === container.name),
        messages: this.#messages,
      });
      // A regular init container counts as ready once it has succeeded.
      const regularInit = initContainers.includes(container) && (container as Container).restartPolicy !== 'Always';
      return regularInit ? { ...built, ready: exitedWell } : built;
    };
    const byName = (a: ContainerStatus, b: ContainerStatus) => (a.name < b.name ? -1 : 1);
    return {
      init: initContainers.map(status(initContainerStatuses)),
      main: containers.map(status(containerStatuses)).sort(byName),
      ephemeral: ephemeralContainers.map(status(ephemeralContainerStatuses)).sort(byName),
    };
  }

  #afterStart(container: AnyContainer, id: string): void {
    const instance = this.instances(container.name).find((candidate) => candidate.id === id);
    if (!instance) return;
    if (!this.#probes.has(id)) this.#probe(container, instance);
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    const signal = AbortSignal.timeout(600_000);
    runLifecycleHook(hook, this.#target(container, id), { clock: this.#services.clock, signal }).catch(
      (error: unknown) => {
        this.#record(container, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${(error as Error).message}`);
        void this.#runtime.stopContainer(id, { graceMs: this.#graceMs() }).catch(() => {}); // it has ended by itself
      },
    );
  }

  #probe(container: AnyContainer, instance: ContainerInstance): void {
    const { livenessProbe, readinessProbe, startupProbe } = container;
    if (!livenessProbe && !readinessProbe && !startupProbe) return;
    const { clock, log } = this.#services;
    const probes = new ContainerProbes({
      target: this.#target(container, instance.id),
      clock,
      changed: this.#wake,
      tried: (kind, success) => this.#services.probed(this.#pod, container.name, kind, success),
      failed: (kind, message) => {
        const name = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' }[kind];
        this.#record(container, 'Warning', 'Unhealthy', `${name} probe failed: ${message}`);
      },
      unhealthy: (kind) => {
        this.#record(
          container,
          'Normal',
          'Killing',
          `Container ${container.name} failed ${kind} probe, will be restarted`,
        );
        const probe = kind === 'startup' ? startupProbe : livenessProbe;
        const seconds = probe?.terminationGracePeriodSeconds;
        const graceMs = seconds === undefined ? this.#graceMs() : seconds * 1000;
        this.#stopOne(instance, graceMs).catch((error: unknown) =>
          log.warn('Cannot stop an unhealthy container', { error }),
        );
      },
    });
    this.#probes.set(instance.id, probes);
  }

  async #stopOne(instance: ContainerInstance, graceMs: number): Promise<void> {
    const { clock } = this.#services;
    const deadlineMs = clock.now() + graceMs;
    const { containers = [], initContainers = [] } = this.#pod.spec ?? {};
    const container = [...containers, ...initContainers].find(({ name }) => name === instance.name);
    const hook = container?.lifecycle?.preStop;
    if (container) this.#record(container, 'Normal', 'Killing', `Stopping container ${instance.name}`);
    if (hook && container && graceMs > 0) {
      const signal = AbortSignal.timeout(graceMs);
      await runLifecycleHook(hook, this.#target(container, instance.id), { clock, signal }).catch((error: unknown) => {
        this.#record(container, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${(error as Error).message}`);
      });
    }
    const leftMs = deadlineMs - clock.now();
    await this.#runtime.stopContainer(instance.id, { graceMs: graceMs === 0 ? 0 : Math.max(2_000, leftMs) });
  }

  #target(container: Container, id: string): ProbeTarget {
    const podIp = this.#runtime.listSandboxes().find(({ pod }) => pod.uid === this.#pod.metadata?.uid)?.ip ?? '';
    return probeTarget(this.#runtime, { container, containerId: id, podIp });
  }

  #graceMs(): number {
    return (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  #messagePath(name: string, attempt: number): string {
    return join(this.#directory, 'containers', name, String(attempt));
  }

  #record({ name }: AnyContainer, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#services.record(this.#pod, { type, reason, message, fieldPath: `spec.containers{${name}}` });
  }
}
