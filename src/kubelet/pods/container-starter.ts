import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, EphemeralContainer, Pod } from '../../api/kubernetes/core-v1.ts';
import { type ContainerInstance, type Runtime, RuntimeError, type Sandbox } from '../runtimes/runtime.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { BackOff, formatDuration } from './back-off.ts';
import { buildEnvironment, ContainerConfigError } from './environment.ts';
import { expandVariables } from './expansion.ts';
import type { PodServices } from './pod-services.ts';

type AnyContainer = Container | EphemeralContainer;

export interface ContainerStarterOptions {
  readonly services: PodServices;
  readonly runtime: Runtime;
  /** The pod's own. */
  readonly directory: string;
  readonly volumes: PodVolumes;
  /** The newest object. */
  readonly pod: () => Pod;
  /** Newest first. */
  readonly instances: (name: string) => readonly ContainerInstance[];
  readonly messagePath: (name: string, attempt: number) => string;
  readonly started: (container: AnyContainer, id: string) => void;
}

const ranLongEnoughMs = 600_000;

/** Starts and restarts a pod's containers by their restart policy, with upstream's back-off; says what a container waits for. */
export class ContainerStarter {
  readonly #options: ContainerStarterOptions;
  readonly #waiting = new Map<string, { reason: string; message: string }>();
  readonly #crashes = new BackOff();
  readonly #pulls = new BackOff();
  readonly #pulledMs = new Map<string, number>();

  constructor(options: ContainerStarterOptions) {
    this.#options = options;
  }

  waiting(name: string): { reason: string; message: string } | undefined {
    return this.#waiting.get(name);
  }

  /** Starts it where that is due. Returns after how many ms to ask again; Infinity: only when something happens. */
  async ensure(container: AnyContainer, sandbox: Sandbox, policy: string): Promise<number> {
    const { name } = container;
    const nowMs = this.#options.services.clock.now();
    const [newest] = this.#options.instances(name);
    if (newest?.state.phase === 'running') {
      this.#waiting.delete(name);
      return Number.POSITIVE_INFINITY;
    }
    if (newest?.state.phase === 'exited') {
      const { exitCode, startedAtMs, finishedAtMs } = newest.state;
      if (policy === 'Never' || (policy === 'OnFailure' && exitCode === 0)) return Number.POSITIVE_INFINITY;
      if (finishedAtMs - startedAtMs >= ranLongEnoughMs) this.#crashes.reset(name);
      const remainingMs = this.#crashes.remainingMs(name, finishedAtMs, nowMs);
      if (remainingMs > 0) {
        const { name: pod, namespace, uid } = this.#options.pod().metadata ?? {};
        const wait = formatDuration(this.#crashes.currentMs(name));
        const message = `back-off ${wait} restarting failed container=${name} pod=${pod}_${namespace}(${uid})`;
        if (this.#waiting.get(name)?.reason !== 'CrashLoopBackOff') {
          this.#record(
            container,
            'Warning',
            'BackOff',
            `Back-off restarting failed container ${name} in pod ${pod}_${namespace}(${uid})`,
          );
        }
        this.#waiting.set(name, { reason: 'CrashLoopBackOff', message });
        return remainingMs;
      }
    }
    return this.#start(container, sandbox, newest);
  }

  async #start(container: AnyContainer, sandbox: Sandbox, newest: ContainerInstance | undefined): Promise<number> {
    const { name } = container;
    const before = [
      ...(this.#options.pod().status?.containerStatuses ?? []),
      ...(this.#options.pod().status?.initContainerStatuses ?? []),
    ];
    const known = before.find((status) => status.name === name);
    const attempt = newest ? newest.attempt + 1 : known?.containerID ? known.restartCount + 1 : 0;
    const pullWaitMs = this.#pulls.remainingMs(name, this.#pulledMs.get(name) ?? 0, this.#options.services.clock.now());
    if (pullWaitMs > 0) {
      const message = `Back-off pulling image "${container.image}"`;
      this.#waiting.set(name, { reason: 'ImagePullBackOff', message });
      return pullWaitMs;
    }
    let id: string | undefined;
    try {
      const hasCommand = (container.command ?? []).length > 0;
      const image = container.image ?? '';
      await this.#options.runtime.pullImage({ image, pullPolicy: container.imagePullPolicy ?? '', hasCommand });
      this.#pulls.reset(name);
      this.#record(container, 'Normal', 'Pulled', `Container image "${image}" already present on machine`);
      id = await this.#create(container, sandbox, attempt);
      this.#record(container, 'Normal', 'Created', `Created container: ${name}`);
      if (attempt === 0) this.#noteUser(container);
      if (attempt > 0) this.#crashes.next(name);
      await this.#options.runtime.startContainer(id);
      this.#record(container, 'Normal', 'Started', `Started container ${name}`);
      this.#waiting.delete(name);
      this.#options.started(container, id);
      return Number.POSITIVE_INFINITY;
    } catch (error) {
      await this.#forgetUnstarted(id);
      return this.#startFailed(container, error, { attempt });
    }
  }

  #startFailed(container: AnyContainer, error: unknown, { attempt }: { attempt: number }): number {
    const { name, image } = container;
    const { message } = error as Error;
    const reason =
      error instanceof RuntimeError
        ? error.reason
        : error instanceof ContainerConfigError
          ? 'CreateContainerConfigError'
          : 'CreateContainerError';
    if (reason === 'ErrImagePull') {
      this.#pulls.next(name);
      this.#pulledMs.set(name, this.#options.services.clock.now());
      this.#record(container, 'Warning', 'Failed', `Failed to pull image "${image}": ${message}`);
      this.#record(container, 'Warning', 'Failed', 'Error: ErrImagePull');
      this.#waiting.set(name, { reason, message });
      return 5_000;
    }
    this.#record(container, 'Warning', 'Failed', `Error: ${message}`);
    if (reason === 'StartError') {
      if (attempt === 0) this.#crashes.next(name);
      this.#waiting.set(name, { reason: 'RunContainerError', message });
      return 1_000;
    }
    this.#waiting.set(name, { reason, message });
    return 10_000;
  }

  /** A container that was made but could not even be tried. */
  async #forgetUnstarted(id: string | undefined): Promise<void> {
    const { runtime } = this.#options;
    const made = runtime.listContainers().find((instance) => instance.id === id);
    if (made?.state.phase === 'created') await runtime.removeContainer(made.id);
  }

  async #create(container: AnyContainer, sandbox: Sandbox, attempt: number): Promise<string> {
    const pod = this.#options.pod();
    const { services } = this.#options;
    const addresses = { podIp: sandbox.ip, hostIp: services.hostIp, nodeName: services.nodeName };
    const { resources, apiServer } = services;
    const env = await buildEnvironment(pod, container, { addresses, resources, apiServer });
    const expand = (text: string) => expandVariables(text, (variable) => env[variable]);
    const messagePath = this.#options.messagePath(container.name, attempt);
    await mkdir(join(this.#options.directory, 'containers', container.name), { recursive: true });
    await writeFile(messagePath, '', { mode: 0o666 });
    const seenAt = container.terminationMessagePath || '/dev/termination-log';
    const target = 'targetContainerName' in container ? container.targetContainerName : undefined;
    const targetId = target ? this.#options.instances(target)[0]?.id : undefined;
    const stopSignal = container.lifecycle?.stopSignal ?? 'SIGTERM';
    return this.#options.runtime.createContainer(sandbox.id, {
      name: container.name,
      attempt,
      image: container.image ?? '',
      command: (container.command ?? []).map(expand),
      args: (container.args ?? []).map(expand),
      workingDir: container.workingDir ?? '',
      env,
      mounts: [
        ...(await this.#options.volumes.mounts(pod, container, env)),
        { hostPath: messagePath, containerPath: seenAt, readOnly: false },
      ],
      tty: container.tty ?? false,
      stdin: container.stdin ?? false,
      stdinOnce: container.stdinOnce ?? false,
      stopSignal: stopSignal.replace(/^SIG/, ''),
      terminationMessagePath: messagePath,
      ...(targetId !== undefined && { targetContainerId: targetId }),
      hash: createHash('sha256')
        .update(JSON.stringify([container.name, container.image]))
        .digest('hex')
        .slice(0, 8),
    });
  }

  #noteUser(container: AnyContainer): void {
    const { pod, runtime } = this.#options;
    const user = container.securityContext?.runAsUser ?? pod().spec?.securityContext?.runAsUser;
    if (user === undefined || !runtime.singleUser) return;
    const message = `runAsUser ${user} is not applied: containers of ${runtime.name} run as the user of the node agent`;
    this.#record(container, 'Warning', 'RunAsUserIgnored', message);
  }

  #record({ name }: AnyContainer, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#options.services.record(this.#options.pod(), {
      type,
      reason,
      message,
      fieldPath: `spec.containers{${name}}`,
    });
  }
}
