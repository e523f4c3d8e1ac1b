import { execFileSync } from 'node:child_process';

/** A network namespace with one link to this machine. */
export interface NetworkNamespace extends Disposable {
  /** What `nsenter --net=` takes. */
  readonly path: string;
  readonly hostAddress: string;
  readonly address: string;
}

let counter = 0;

/** Makes one (needs root). The link is `10.213.<n>.1` here and `10.213.<n>.2` inside. */
export function createNetworkNamespace(): NetworkNamespace {
  const id = `${process.pid % 10_000}${counter}`;
  const subnet = `10.213.${(process.pid + counter++) % 250}`;
  const name = `fl-${id}`;
  const [outside, inside] = [`flo${id}`, `fli${id}`];
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  ip('netns', 'add', name);
  ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name);
  ip('addr', 'add', `${subnet}.1/24`, 'dev', outside);
  ip('link', 'set', outside, 'up');
  ip('-n', name, 'addr', 'add', `${subnet}.2/24`, 'dev', inside);
  ip('-n', name, 'link', 'set', inside, 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip('-n', name, 'route', 'add', 'default', 'via', `${subnet}.1`);
  return {
    path: `/run/netns/${name}`,
    hostAddress: `${subnet}.1`,
    address: `${subnet}.2`,
    [Symbol.dispose]() {
      ip('netns', 'delete', name);
      // The link goes with the namespace, but later: a stale one would keep the address.
      try {
        ip('link', 'delete', outside);
      } catch {} // gone already
    },
  };
}
