import type { Duplex, Readable, Writable } from 'node:stream';

/**
 * How containers run on a node, in the terms of CRI: pod sandboxes, and containers inside them.
 * Images, restarts, probes and status are the agent's; a runtime only runs what it is told to.
 *
 * Every implementation holds: what a list says was true a moment ago; a container that was started is reported by one
 * `exited` event, and stays listed with its exit code and its log until it is removed; what still runs when the agent is started
 * again is listed by {@link Runtime.recover} with its exit codes and logs intact, where the runtime's processes outlive the agent.
 */
export interface Runtime extends AsyncDisposable {
  /** As in `nodeInfo.containerRuntimeVersion`: `<name>://<version>`. */
  readonly name: string;
  readonly version: string;
  /** What the operator should see on the Node: annotations. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether every container runs as the agent's own user, whatever its security context says. */
  readonly singleUser?: boolean;
  /** Finds what an earlier agent left. Called once, before anything else. */
  recover(): Promise<void>;
  /** Calls back after each change of a container's state. */
  subscribe(listener: (event: RuntimeEvent) => void): Disposable;

  runSandbox(config: SandboxConfig): Promise<Sandbox>;
  /** Ends what still runs in it, without grace. */
  stopSandbox(id: string): Promise<void>;
  /** Removes its containers, their logs excepted, and its files. */
  removeSandbox(id: string): Promise<void>;
  listSandboxes(): readonly Sandbox[];

  /**
   * Makes `image` usable. Returns what `imageID` shows.
   * @throws {RuntimeError} `ErrImagePull`, `InvalidImageName`, `ErrImageNeverPull` with a message that says what to do
   */
  pullImage(image: ImageRequest): Promise<string>;

  createContainer(sandboxId: string, config: ContainerConfig): Promise<string>;
  /** @throws {RuntimeError} `StartError`: the container is then listed as exited with code 128 */
  startContainer(id: string): Promise<void>;
  /** Sends the stop signal, waits up to `graceMs`, then kills. Resolves when it has ended; a second call may shorten the grace. */
  stopContainer(id: string, options: { graceMs: number }): Promise<void>;
  /** Forgets an ended container. Its log file stays with the pod's log directory. */
  removeContainer(id: string): Promise<void>;
  listContainers(): readonly ContainerInstance[];

  /** Runs a command in a running container. Resolves with its exit code once its streams have ended. */
  exec(id: string, request: ExecRequest): Promise<number>;
  /** Joins the running container's own streams until it ends or `signal` aborts. */
  attach(id: string, request: AttachRequest): Promise<void>;
  /** A connection to a port inside the pod. @throws {RuntimeError} `NotFound` where nothing listens */
  openPort(sandboxId: string, port: number, options: { signal: AbortSignal }): Promise<Duplex>;
  stats(id: string): Promise<ContainerStats | undefined>;
  /** For a runtime whose logs are not files. @default the file at `logPath` */
  readLog?(id: string, options: LogRequest): AsyncIterable<Uint8Array>;
}

export type RuntimeEvent =
  | { readonly type: 'started'; readonly containerId: string; readonly podUid: string }
  | { readonly type: 'exited'; readonly containerId: string; readonly podUid: string };

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface SandboxConfig {
  readonly pod: PodRef;
  readonly hostname: string;
  /** The pod's address; the node's own on the host network. */
  readonly ip: string;
  /** The file that stands for the pod's network namespace. @default the agent's own network */
  readonly networkNamespace?: string;
  /** The text of `/etc/resolv.conf`. @default the node's own */
  readonly resolvConf?: string;
  /** Where container logs go: `<logDirectory>/<container>/<attempt>.log`. */
  readonly logDirectory: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Lines for `/etc/hosts` beyond the pod's own. */
  readonly hostAliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
}

export interface Sandbox {
  readonly id: string;
  readonly pod: PodRef;
  readonly ip: string;
  readonly createdAtMs: number;
  readonly state: 'ready' | 'notReady';
  readonly logDirectory: string;
}

export interface ImageRequest {
  readonly image: string;
  readonly pullPolicy: string;
  /** Whether the container names what to run, so that a runtime without images can run it. */
  readonly hasCommand: boolean;
}

export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
}

export interface ContainerConfig {
  readonly name: string;
  /** 0 for the first start in this pod, one more for each restart. */
  readonly attempt: number;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  /** Without `SIG`: `TERM`. */
  readonly stopSignal: string;
  /** Host file that the container sees at `terminationMessagePath`. */
  readonly terminationMessagePath: string;
  /** The container whose processes an ephemeral container shall see. */
  readonly targetContainerId?: string;
  /** Changes when the container must be replaced. */
  readonly hash: string;
}

export type ContainerState =
  | { readonly phase: 'created' }
  | { readonly phase: 'running'; readonly startedAtMs: number }
  | {
      readonly phase: 'exited';
      readonly startedAtMs: number;
      readonly finishedAtMs: number;
      readonly exitCode: number;
      /** `Completed`, `Error`, `StartError`, `OOMKilled`, `ContainerStatusUnknown`. */
      readonly reason: string;
      readonly message: string;
    };

export interface ContainerInstance {
  readonly id: string;
  readonly sandboxId: string;
  readonly podUid: string;
  readonly name: string;
  readonly attempt: number;
  readonly image: string;
  readonly imageId: string;
  readonly hash: string;
  readonly tty: boolean;
  readonly createdAtMs: number;
  readonly logPath: string;
  readonly state: ContainerState;
}

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** Streams that are asked for are given; the runtime reads and writes them with back-pressure and ends the outputs. */
export interface ExecRequest {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  /** Never with `tty`. */
  readonly stderr?: Writable;
  readonly resizes?: AsyncIterable<TerminalSize>;
  /** Kills the command. */
  readonly signal: AbortSignal;
}

export interface AttachRequest {
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly resizes?: AsyncIterable<TerminalSize>;
  readonly signal: AbortSignal;
}

export interface LogRequest {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly sinceMs: number | undefined;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  readonly signal: AbortSignal;
}

export interface ContainerStats {
  /** CPU time since the container was started. */
  readonly cpuNanos: number;
  readonly memoryBytes: number;
  readonly rssBytes: number;
  readonly processes: number;
}

/** A runtime could not do what it was asked. `reason` is what the container's waiting state, or the HTTP answer, shows. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly reason: RuntimeErrorReason;

  constructor(reason: RuntimeErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export type RuntimeErrorReason =
  | 'ErrImagePull'
  | 'ErrImageNeverPull'
  | 'InvalidImageName'
  | 'CreateContainerError'
  | 'StartError'
  | 'NotFound'
  | 'NotRunning'
  | 'Unsupported';
