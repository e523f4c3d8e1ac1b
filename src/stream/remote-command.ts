import type { Readable, Writable } from 'node:stream';
import type { CommandStatus } from './command-status.ts';
import type { TerminalSize } from './terminal-size.ts';

/** Which streams an exec or attach has. With `tty` there is never a stderr. */
export interface RemoteCommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The serving end of one exec or attach, whatever the protocol. */
export interface RemoteCommand {
  /** Ends when the client has no more. Destroying it tells the client to stop; what it still sends is dropped. */
  readonly stdin: Readable | undefined;
  /** Taking no more means that the client reads no more: wait for `drain`. */
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Sizes of the client's terminal; empty without `tty`. May be iterated once. */
  readonly resizes: AsyncIterable<TerminalSize>;
  /**
   * Ends stdout and stderr where the caller has not, then gives the client `status`, in this order and behind the last byte of output,
   * then closes. Resolves when the connection is closed; a client that has gone is no error.
   */
  finish(status: CommandStatus): Promise<void>;
  /** Aborts when the connection is over, also when the client went away before the command ended. */
  readonly closed: AbortSignal;
}

/** What each protocol gives: the streams of one command, before meaning is put on them. */
export interface CommandChannels {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly error: Writable;
  readonly resize: Readable | undefined;
  /** Whether `error` takes a JSON Status, or text on failure only. */
  readonly statusAsJson: boolean;
  /** Closes the connection behind everything written. */
  close(): Promise<void>;
  readonly closed: AbortSignal;
}
