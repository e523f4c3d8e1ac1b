/**
 * A process of its own for many agents: `fork(…, [count, port, protocol, directory of certificates])`. It sends how many are connected and how many
 * times one was lost, whenever that has changed, and ends with its parent.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../src/lib/log.ts';
import { Metrics } from '../../src/lib/metrics.ts';
import { type AgentConfig, KonnectivityAgent } from '../../src/tunnel/agent/run-agent.ts';

const [count = '0', port = '0', protocol = '', directory = ''] = process.argv.slice(2);
const read = (name: string) => readFileSync(join(directory, name), 'utf8');
const certificate = { certificate: read('client.crt'), key: read('client.key') };
const common: Omit<AgentConfig, 'agentId'> = {
  server: { host: '127.0.0.1', port: Number(port) },
  tls: { ca: read('ca.crt'), certificate },
  upstreamProtocolOnly: protocol === 'konnectivity',
};
const metrics = new Metrics();
const startedAtOnce = 200;
const agents: KonnectivityAgent[] = [];
const connectedNow = () => agents.filter((agent) => agent.ready).length;

let sent = -1;
const timer = setInterval(() => {
  const connected = connectedNow();
  // They are started in turns, because they share one process; that they come back together is what is looked at.
  for (let room = connected + startedAtOnce - agents.length; room > 0 && agents.length < Number(count); room--) {
    agents.push(
      new KonnectivityAgent({ ...common, agentId: `agent-${agents.length}` }, { log: silentLogger, metrics }),
    );
  }
  if (connected === sent || !process.connected) return;
  sent = connected;
  process.send?.(connected);
}, 20);
await once(process, 'disconnect');
clearInterval(timer);
process.exit(0);
