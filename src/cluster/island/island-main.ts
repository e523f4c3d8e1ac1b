/** The node agent inside an island: a process of its own, told what to do on standard input. The bundle emits it as `island-main.mjs`. */
import { readJsonLines, writeJsonLine } from './json-lines.ts';
import { describeError, type IslandCommand, type IslandEvent } from './messages.ts';
import { RunningIsland } from './running-island.ts';

const send = (event: IslandEvent) => writeJsonLine(process.stdout, event);
const stopping = new AbortController();
const island = new RunningIsland({ send, signal: stopping.signal });
let running: Promise<void> | undefined;

const reading = readJsonLines<IslandCommand>(process.stdin, (command) => {
  if (command.type === 'start') running ??= island.run(command).catch(fail).finally(stop);
  else if (command.type === 'proxy-certificate') island.proxyCertificate = command.certificate;
  else stop();
});
await reading.catch((error: unknown) => {
  if (!stopping.signal.aborted) throw error; // destroyed by `stop`
});
// Whoever started the island has gone, or wants it to stop.
stop();
await running;

function stop(): void {
  stopping.abort();
  process.stdin.destroy();
}

function fail(error: unknown): void {
  if (stopping.signal.aborted) return;
  process.exitCode = 1;
  send({ type: 'failed', error: describeError(error) });
}
