import { PassThrough } from 'node:stream';
import { type CommandStatus, exitStatus, internalErrorStatus } from '../../stream/command-status.ts';
import { acceptRemoteCommand } from '../../stream/remote-command-server.ts';
import type { UpgradeRequest } from '../../stream/upgrade.ts';
import { findContainer, HttpError, type KubeletApi } from './kubelet-api.ts';

const maxRunBytes = 16 * 1024 * 1024;

/** Everything an upgrade has to say about itself, checked before the connection is taken over. */
export interface CommandUpgrade {
  readonly upgrade: UpgradeRequest;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

/** `/exec/{ns}/{pod}[/{uid}]/{container}?command=…&input=1&output=1&error=1&tty=1` */
export async function serveExec(api: KubeletApi, { upgrade, path, query, signal }: CommandUpgrade): Promise<void> {
  const { worker, instance } = findContainer(api, path);
  const command = query.getAll('command');
  if (command.length === 0) throw new HttpError(400, 'you must specify at least 1 command');
  const streams = readStreams(query);
  const session = await acceptRemoteCommand(upgrade, { ...streams, signal });
  const { stdin, stdout, stderr, resizes, closed } = session;
  const outcome = await settle('error executing command in container', async () => {
    const code = await worker.runtime.exec(instance.id, {
      command,
      tty: streams.tty,
      ...(stdin && { stdin }),
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      resizes,
      signal: closed,
    });
    return exitStatus(code);
  });
  await session.finish(outcome);
}

/** `/attach/…`: as exec, with the container's own terminal. */
export async function serveAttach(api: KubeletApi, { upgrade, path, query, signal }: CommandUpgrade): Promise<void> {
  const { worker, instance } = findContainer(api, path);
  const streams = { ...readStreams(query), tty: instance.tty };
  const session = await acceptRemoteCommand(upgrade, { ...streams, signal });
  const { stdin, stdout, stderr, resizes, closed } = session;
  const outcome = await settle('error attaching to container', async () => {
    await worker.runtime.attach(instance.id, {
      ...(stdin && { stdin }),
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      resizes,
      signal: closed,
    });
    return exitStatus(0);
  });
  await session.finish(outcome);
}

/** `POST /run/{ns}/{pod}[/{uid}]/{container}?cmd=…`: the output of a command, without streams. */
export async function runCommand(api: KubeletApi, path: readonly string[], query: URLSearchParams): Promise<Buffer> {
  const { worker, instance } = findContainer(api, path);
  const command = (query.get('cmd') ?? '').split(' ');
  const output = new PassThrough();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const controller = new AbortController();
  output.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxRunBytes) controller.abort();
    else chunks.push(chunk);
  });
  const stderr = new PassThrough();
  stderr.pipe(output, { end: false }); // both are memory streams: neither fails
  const { signal } = controller;
  const code = await worker.runtime.exec(instance.id, { command, tty: false, stdout: output, stderr, signal });
  if (code !== 0)
    throw new HttpError(500, `command '${command.join(' ')}' exited with ${code}: ${Buffer.concat(chunks)}`);
  return Buffer.concat(chunks);
}

/** A failure of the node's own is told to the client; a client that left is told nothing. */
async function settle(what: string, work: () => Promise<CommandStatus>): Promise<CommandStatus> {
  try {
    return await work();
  } catch (error) {
    return internalErrorStatus(`${what}: ${(error as Error).message}`);
  }
}

/** Only `1` counts. @throws {HttpError} */
function readStreams(query: URLSearchParams): { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean } {
  const has = (name: string) => query.get(name) === '1';
  const tty = has('tty');
  const streams = { stdin: has('input'), stdout: has('output'), stderr: has('error') && !tty, tty };
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return streams;
}
