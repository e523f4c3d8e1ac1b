import { Writable } from 'node:stream';
import type { Container } from '../../api/kubernetes/core-v1.ts';
import type { ProbeTarget } from '../probes/probe.ts';
import type { Runtime } from '../runtimes/runtime.ts';

const maxOutputBytes = 10 * 1024;

/** A running container as its probes and hooks see it. */
export function probeTarget(
  runtime: Runtime,
  { container, containerId, podIp }: { container: Container; containerId: string; podIp: string },
): ProbeTarget {
  return {
    container,
    podIp,
    exec: async (command, signal) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const collect = () =>
        new Writable({
          write(chunk: Buffer, _encoding, done) {
            if (bytes < maxOutputBytes) chunks.push(chunk);
            bytes += chunk.length;
            done();
          },
        });
      const streams = { stdout: collect(), stderr: collect() };
      const exitCode = await runtime.exec(containerId, { command, tty: false, ...streams, signal });
      return { exitCode, output: Buffer.concat(chunks).toString().slice(0, maxOutputBytes) };
    },
  };
}
