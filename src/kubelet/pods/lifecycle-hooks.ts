import type { LifecycleHandler } from '../../api/kubernetes/core-v1.ts';
import type { Clock } from '../../lib/clock.ts';
import { type ProbeTarget, probeHttp, resolvePort } from '../probes/probe.ts';

/** Runs a postStart or preStop handler. @throws {Error} when it fails, or `signal` aborts */
export async function runLifecycleHook(
  handler: LifecycleHandler,
  target: ProbeTarget,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { exec, httpGet, sleep, tcpSocket } = handler;
  if (exec) {
    const { exitCode, output } = await target.exec(exec.command ?? [], signal);
    if (exitCode !== 0) throw new Error(`command '${exec.command?.join(' ')}' exited with ${exitCode}: ${output}`);
  } else if (httpGet) {
    const { success, message } = await probeHttp(httpGet, target, signal);
    if (!success) throw new Error(message);
  } else if (sleep) {
    await clock.delay(sleep.seconds * 1000, { signal });
  } else if (tcpSocket) {
    resolvePort(tcpSocket.port, target.container); // upstream validates it and does nothing more
  }
}
