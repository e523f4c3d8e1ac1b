/**
 * Holds a network namespace and acts in it: listens, asks, and answers in lines of JSON. Started by `network-bed.ts`.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

export type AgentRequest =
  | {
      readonly kind: 'listen';
      readonly protocol: 'tcp' | 'udp';
      readonly port: number;
      readonly name: string;
      readonly address?: string;
    }
  | {
      readonly kind: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly host: string;
      readonly port: number;
      readonly fromPort?: number;
      readonly from?: string;
    }
  | { readonly kind: 'open'; readonly host: string; readonly port: number }
  | { readonly kind: 'echo'; readonly text: string };

/** What a listener answers: who it is and whom it sees. */
export interface AgentAnswer {
  readonly name?: string;
  readonly seen?: string;
  readonly error?: string;
  readonly text?: string;
}

const patienceMs = 1500;
let kept: ReturnType<typeof connect> | undefined;

async function act(request: AgentRequest): Promise<AgentAnswer> {
  if (request.kind === 'listen') return await listen(request);
  if (request.kind === 'ask') return request.protocol === 'tcp' ? await askTcp(request) : await askUdp(request);
  if (request.kind === 'open') {
    kept = connect(request.port, request.host);
    return await new Promise((resolve) => {
      kept?.once('error', (error) => resolve({ error: codeOf(error) }));
      kept?.once('data', (data) => resolve(JSON.parse(String(data))));
    });
  }
  kept?.write(request.text);
  return await new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ error: 'timeout' }), 3 * patienceMs);
    kept?.once('data', (data) => {
      clearTimeout(timer);
      resolve({ text: String(data) });
    });
  });
}

function listen({ protocol, port, name, address }: Extract<AgentRequest, { kind: 'listen' }>): Promise<AgentAnswer> {
  return new Promise((resolve) => {
    if (protocol === 'tcp') {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write(JSON.stringify({ name, seen: socket.remoteAddress?.replace('::ffff:', '') }));
        socket.on('data', (data) => void socket.write(data));
      });
      server.on('error', (error) => resolve({ error: codeOf(error) }));
      server.listen(port, address, () => resolve({}));
      return;
    }
    const socket = createSocket(address?.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', (error) => resolve({ error: codeOf(error) }));
    socket.on('message', (_, peer) =>
      socket.send(JSON.stringify({ name, seen: peer.address }), peer.port, peer.address),
    );
    socket.bind(port, address, () => resolve({}));
  });
}

function askTcp({ host, port, from }: Extract<AgentRequest, { kind: 'ask' }>): Promise<AgentAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(from && { localAddress: from }) });
    const done = (answer: AgentAnswer) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done({ error: 'timeout' }), patienceMs);
    socket.on('error', (error) => done({ error: codeOf(error) }));
    socket.on('data', (data) => done(JSON.parse(String(data))));
  });
}

function askUdp({ host, port, fromPort }: Extract<AgentRequest, { kind: 'ask' }>): Promise<AgentAnswer> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    let over = false;
    const done = (answer: AgentAnswer) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.close(() => resolve(answer));
    };
    const timer = setTimeout(() => done({ error: 'timeout' }), patienceMs);
    socket.on('error', (error) => done({ error: codeOf(error) }));
    socket.on('message', (data) => done(JSON.parse(String(data))));
    socket.bind(fromPort ?? 0, () => {
      socket.connect(port, host, (error?: Error) => {
        if (error) done({ error: codeOf(error) });
        else socket.send('hello');
      });
    });
  });
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write('{}\n');
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => process.stdout.write(`${JSON.stringify(await act(JSON.parse(line)))}\n`));
  lines.on('close', () => process.exit());
}
