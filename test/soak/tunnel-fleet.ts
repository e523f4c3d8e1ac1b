import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TunnelPair, TunnelProtocol } from '../interop/konnectivity-pair.ts';

/** Many agents in one process, all of one server. */
export interface TunnelFleet extends AsyncDisposable {
  /** How many are connected now. */
  readonly connected: number;
  /** The fewest since the last call of {@link TunnelFleet.reached}. */
  readonly fewest: number;
  /** Resolves when so many are connected. */
  reached(count: number): Promise<void>;
  /** Resolves when at most so many are. */
  fallen(count: number): Promise<void>;
}

export function startFleet(pair: TunnelPair, options: { count: number; protocol: TunnelProtocol }): TunnelFleet {
  const args = [String(options.count), String(pair.ports.agent), options.protocol, pair.files.directory];
  const child = fork(join(import.meta.dirname, 'tunnel-fleet-process.ts'), args, {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let connected = 0;
  let fewest = 0;
  const waiting = new Set<() => void>();
  const errors: string[] = [];
  if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  child.on('message', (count) => {
    connected = Number(count);
    fewest = Math.min(fewest, connected);
    for (const look of waiting) look();
  });
  const until = (isGood: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!isGood()) return;
        waiting.delete(look);
        child.off('exit', onExit);
        resolve();
      };
      const onExit = () => reject(new Error(`The agents ended: ${errors.join('\n')}`));
      child.once('exit', onExit);
      waiting.add(look);
      look();
    });
  return {
    get connected() {
      return connected;
    },
    get fewest() {
      return fewest;
    },
    async reached(count) {
      await until(() => connected >= count);
      fewest = connected;
    },
    fallen: (count) => until(() => connected <= count),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}
