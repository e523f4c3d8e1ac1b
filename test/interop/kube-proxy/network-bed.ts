import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { AgentAnswer, AgentRequest } from './agent.ts';

/** A network namespace with somebody in it who listens and asks. */
export class Host implements AsyncDisposable {
  /** Of the process that holds the namespace. */
  readonly pid: number;
  readonly address: string;
  readonly address6: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #ended = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    child: ChildProcess,
    lines: Interface,
    { pid, address, address6 }: { pid: number; address: string; address6: string },
  ) {
    this.#child = child;
    this.#lines = lines;
    lines.once('close', () => this.#ended.abort(new Error('the host has ended')));
    this.pid = pid;
    this.address = address;
    this.address6 = address6;
  }

  static async start(command: readonly string[], addresses: { address: string; address6: string }): Promise<Host> {
    const [program = '', ...args] = [...command, process.execPath, `${import.meta.dirname}/agent.ts`];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
    if (!child.stdout || child.pid === undefined) throw new Error('no child');
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    return new Host(child, lines, { pid: child.pid, ...addresses });
  }

  /** One request at a time. */
  do(request: AgentRequest): Promise<AgentAnswer> {
    const answer = this.#last.then(async (): Promise<AgentAnswer> => {
      this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
      const [line] = await once(this.#lines, 'line', { signal: this.#ended.signal });
      return JSON.parse(String(line));
    });
    this.#last = answer;
    return answer;
  }

  async listen(port: number, options: { name: string; protocol?: 'tcp' | 'udp' }): Promise<void> {
    const { error } = await this.do({ kind: 'listen', protocol: 'tcp', port, ...options });
    if (error) throw new Error(`cannot listen on ${port}: ${error}`);
  }

  /** Name of who answered, whom it saw, or the error. */
  ask(host: string, port: number, options: { protocol?: 'tcp' | 'udp'; fromPort?: number } = {}): Promise<AgentAnswer> {
    return this.do({ kind: 'ask', protocol: 'tcp', host, port, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}

/**
 * A node with pods, each in a network namespace of its own, joined as the `ptp` plugin joins them: pods have 10.244.0.<n>/32 and
 * fd00:244::<n>, the node is 10.244.0.1 for them and 192.168.77.1 otherwise.
 */
export interface NetworkBed extends AsyncDisposable {
  readonly node: Host;
  /** Runs a command in the node's namespace. */
  readonly prefix: readonly string[];
  addPod(name: string): Promise<Host>;
  /** Somebody who is not in the cluster, at 192.168.77.2, and reaches the node at 192.168.77.1. */
  addOutsider(): Promise<Host>;
  run(...command: string[]): string;
}

/** Whose namespaces these are: made by root, or by an ordinary user in a user namespace. */
export type BedOwner = 'root' | 'nobody';

/** Why there can be no bed, or `false`. */
export function missingBed(owner: BedOwner): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    execFileSync('sh', ['-c', 'command -v nft && command -v ip && command -v nsenter'], { stdio: 'pipe' });
    const [program = '', ...args] = [...enter(owner), 'true'];
    execFileSync(program, args, { stdio: 'pipe' });
    return false;
  } catch {
    return 'needs nft, ip, nsenter and namespaces';
  }
}

export async function createNetworkBed(owner: BedOwner): Promise<NetworkBed> {
  await using parts = new AsyncDisposableStack();
  const owned = new AsyncDisposableStack();
  parts.use(owned);
  const node = owned.use(await Host.start(enter(owner), { address: '192.168.77.1', address6: 'fd00:77::1' }));
  const as = owner === 'nobody' ? asNobody : [];
  const inside = (pid: number) => [
    ...as,
    'nsenter',
    '-t',
    String(pid),
    ...(owner === 'nobody' ? ['-U', '--preserve-credentials'] : []),
    '-n',
  ];
  const runIn = (pid: number, command: readonly string[]) => {
    const [program = '', ...args] = [...inside(pid), ...command];
    return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', cwd: '/' });
  };
  const sh = (pid: number, script: string) => runIn(pid, ['sh', '-ec', script]);
  const join = async (name: string, addresses: { address: string; address6: string }) => {
    const host = owned.use(await Host.start([...inside(node.pid), 'unshare', '-n'], addresses));
    sh(node.pid, `ip link add v-${name} type veth peer name eth0 netns ${host.pid}; ip link set v-${name} up`);
    sh(host.pid, 'ip link set lo up; ip link set eth0 up');
    return host;
  };
  // A route has to cover the Service addresses for the host's own connections, as a default route does.
  sh(
    node.pid,
    `ip link set lo up
     ip link add uplink type veth peer name beyond; ip link set uplink up; ip link set beyond up
     ip addr add 192.168.99.1/24 dev uplink; ip route add default via 192.168.99.254
     ip -6 addr add fd00:99::1/64 dev uplink nodad; ip -6 route add default via fd00:99::fe
     echo 1 > /proc/sys/net/ipv4/ip_forward
     echo 1 > /proc/sys/net/ipv6/conf/all/forwarding`,
  );
  let count = 1;
  parts.move(); // Nothing failed: from here on the bed is its owner's.
  return {
    node,
    prefix: inside(node.pid),
    run: (...command) => runIn(node.pid, command),
    async addPod(name) {
      const last = ++count;
      const addresses = { address: `10.244.0.${last}`, address6: `fd00:244::${last}` };
      const pod = await join(name, addresses);
      sh(
        pod.pid,
        `ip addr add ${addresses.address}/32 dev eth0; ip route add 10.244.0.1 dev eth0; ip route add default via 10.244.0.1
         ip -6 addr add ${addresses.address6}/128 dev eth0 nodad; ip -6 route add fd00:244::1 dev eth0; ip -6 route add default via fd00:244::1`,
      );
      sh(
        node.pid,
        `ip addr add 10.244.0.1/32 dev v-${name}; ip route add ${addresses.address} dev v-${name}
         ip -6 addr add fd00:244::1/128 dev v-${name} nodad; ip -6 route add ${addresses.address6} dev v-${name}`,
      );
      return pod;
    },
    async addOutsider() {
      const host = await join('outside', { address: '192.168.77.2', address6: 'fd00:77::2' });
      sh(host.pid, 'ip addr add 192.168.77.2/24 dev eth0; ip route add default via 192.168.77.1');
      sh(node.pid, 'ip addr add 192.168.77.1/24 dev v-outside');
      return host;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

function enter(owner: BedOwner): string[] {
  return owner === 'root' ? ['unshare', '-n'] : [...asNobody, 'unshare', '-Urn'];
}
