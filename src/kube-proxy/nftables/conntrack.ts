import { runCommand } from '../command.ts';
import { endpointKey } from '../endpoint.ts';
import type { PortState } from '../proxy-state.ts';
import type { Family } from '../service-port.ts';

const timeoutMs = 10_000;

/** One UDP flow: where the client sent it and who answers. */
interface Flow {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly answeredBy: string;
  readonly answeredPort: number;
}

/**
 * Forgets UDP flows that were sent on to an endpoint which serves no more: a client that always uses one port, as resolvers do, would
 * otherwise be sent there as long as it asks. TCP is never touched, nor are flows of a port without any endpoint. The result is how many.
 */
export async function forgetStaleFlows(
  ports: readonly PortState[],
  { family, prefix = [] }: { family: Family; prefix?: readonly string[] | undefined },
): Promise<number> {
  const udp = ports.filter(({ port, endpoints }) => {
    return port.protocol === 'udp' && port.family === family && endpoints.some(({ serving }) => serving);
  });
  if (udp.length === 0) return 0;
  const command = [...prefix, 'conntrack'];
  const of = ['-f', family === 'ip' ? 'ipv4' : 'ipv6', '-p', 'udp'];
  const text = await runCommand([...command, '-L', ...of], { timeoutMs });
  let forgotten = 0;
  for (const flow of text.split('\n').map(parseFlow)) {
    if (!flow || !udp.some((state) => isStale(flow, state))) continue;
    const where = ['-s', flow.source, '--sport', String(flow.sourcePort), '-d', flow.destination];
    // It may have ended since it was listed.
    await runCommand([...command, '-D', ...of, ...where, '--dport', String(flow.destinationPort)], { timeoutMs }).then(
      () => forgotten++,
      () => {},
    );
  }
  return forgotten;
}

function isStale(flow: Flow, { port, endpoints }: PortState): boolean {
  const addresses = [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps];
  const ours =
    (flow.destinationPort === port.port && addresses.includes(flow.destination)) ||
    (port.nodePort > 0 && flow.destinationPort === port.nodePort && flow.answeredBy !== flow.destination);
  const answering = endpointKey({ address: flow.answeredBy, port: flow.answeredPort });
  return ours && !endpoints.some((endpoint) => endpoint.serving && endpointKey(endpoint) === answering);
}

/** `udp 17 27 src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=…`: the way there, then the way back. */
function parseFlow(line: string): Flow | undefined {
  const all = (name: string) => [...line.matchAll(new RegExp(`\\b${name}=(\\S+)`, 'g'))].map(([, value = '']) => value);
  const [sources, destinations, from, to] = [all('src'), all('dst'), all('sport'), all('dport')];
  const [source, answeredBy] = sources;
  const [destination] = destinations;
  if (!source || !answeredBy || !destination) return undefined;
  return {
    source,
    sourcePort: Number(from[0]),
    destination,
    destinationPort: Number(to[0]),
    answeredBy,
    answeredPort: Number(from[1]),
  };
}
