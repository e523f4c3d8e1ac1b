import type { Duplex, Readable, Writable } from 'node:stream';
import type { PodRef, TerminalSize } from '../runtime.ts';

/** What a scripted function is told about the container it plays. */
export interface SimulatedContainer {
  readonly pod: PodRef;
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** 0 for the first start. */
  readonly attempt: number;
}

export interface SimulatedExec {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly resizes: AsyncIterable<TerminalSize> | undefined;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/** An exit code, or all of the answer at once. */
export type SimulatedExecResult =
  | number
  | { readonly stdout?: string; readonly stderr?: string; readonly exitCode?: number };

/** How containers behave that only pretend to run. All is optional. */
export interface Simulation {
  /** From start to Running. @default 0 */
  readonly startDelayMs?: number;
  /** @default every command succeeds and prints nothing */
  readonly exec?: (
    container: SimulatedContainer,
    request: SimulatedExec,
  ) => SimulatedExecResult | Promise<SimulatedExecResult>;
  /** Lines without newlines, asked for again for each reader. @default none */
  readonly logs?: (
    container: SimulatedContainer,
    options: { readonly follow: boolean; readonly signal: AbortSignal },
  ) => Iterable<string> | AsyncIterable<string>;
  /** Plays a port of the pod. @default the connection is refused */
  readonly portForward?: (
    pod: PodRef,
    request: { readonly port: number; readonly stream: Duplex },
  ) => void | Promise<void>;
  /** Ends the container with the exit code it resolves to. `signal` aborts when the container is stopped. @default it runs until it is stopped */
  readonly run?: (container: SimulatedContainer, options: { readonly signal: AbortSignal }) => Promise<number>;
}
