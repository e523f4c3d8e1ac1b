import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PeerProcess } from './peer-process.ts';

const busybox = '/bin/busybox';
const pluginDirectory = '/usr/lib/cni';

/** Why containers cannot be run here, or `undefined` where they can. */
export function missingContainerd(): string | undefined {
  if (process.getuid?.() !== 0) return 'containers need root';
  const needed = [
    '/usr/bin/containerd',
    '/usr/sbin/runc',
    busybox,
    join(pluginDirectory, 'bridge'),
    '/usr/bin/nsenter',
  ];
  const missing = needed.filter((path) => !existsSync(path));
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined;
}

export interface Containerd extends AsyncDisposable {
  readonly socket: string;
  readonly process: PeerProcess;
}

export const busyboxImage = 'localhost/busybox:1';

/**
 * A containerd of its own, inside the network namespace `namespace` (a file that `nsenter --net=` takes), with a bridge network for
 * `podCidr` and two images made on the spot: a pause image and busybox. No registry is asked for anything.
 */
export async function startContainerd(options: { namespace: string; podCidr: string }): Promise<Containerd> {
  await using parts = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-containerd-'));
  parts.defer(() => rmSync(directory, { recursive: true, force: true }));
  const socket = join(directory, 'containerd.sock');
  const networks = join(directory, 'net.d');
  mkdirSync(networks);
  writeFileSync(join(networks, '10-bridge.conflist'), JSON.stringify(bridgeNetwork(options.podCidr)));
  const config = join(directory, 'config.toml');
  writeFileSync(config, containerdConfig(directory, socket, networks));
  // `ip netns exec` would remount /sys and hide the cgroups: nsenter changes the network alone.
  const containerd = parts.use(
    new PeerProcess('/usr/bin/nsenter', [`--net=${options.namespace}`, 'containerd', '--config', config], {
      name: 'containerd',
    }),
  );
  const ctr = (...args: string[]) =>
    execFileSync('ctr', ['--address', socket, '-n', 'k8s.io', ...args], { stdio: 'pipe' });
  await containerd.until(async () => existsSync(socket) && ctr('version').length > 0, 30_000);
  for (const image of ['localhost/pause:1', busyboxImage]) {
    ctr('images', 'import', '--snapshotter', 'native', packImage(directory, image));
  }
  const owned = parts.move();
  return { socket, process: containerd, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function containerdConfig(directory: string, socket: string, networks: string): string {
  return `
version = 2
root = "${join(directory, 'root')}"
state = "${join(directory, 'state')}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${pluginDirectory}"
    conf_dir = "${networks}"
`;
}

function bridgeNetwork(podCidr: string): object {
  return {
    cniVersion: '0.4.0',
    name: 'fairlead',
    plugins: [
      {
        type: 'bridge',
        bridge: 'fl-pods',
        isGateway: true,
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
    ],
  };
}

/** Packs an OCI image of the static busybox with a link for each applet. Gives the archive's path. */
function packImage(directory: string, image: string): string {
  const work = mkdtempSync(join(directory, 'image-'));
  const root = join(work, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  for (const folder of ['tmp', 'etc', 'proc', 'sys', 'dev']) mkdirSync(join(root, folder));
  chmodSync(join(root, 'tmp'), 0o1777);
  copyFileSync(busybox, join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n');
  for (const applet of applets)
    if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  const layer = join(work, 'layer.tar');
  execFileSync('tar', ['-C', root, '-cf', layer, '.']);

  const layout = join(work, 'layout');
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const add = (mediaType: string, bytes: Buffer) => {
    const digest = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const layerBlob = add('application/vnd.oci.image.layer.v1.tar', readFileSync(layer));
  const config = add(
    'application/vnd.oci.image.config.v1+json',
    Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : 'arm64',
        os: 'linux',
        config: { Env: ['PATH=/bin'], Cmd: image.includes('pause') ? ['/bin/sleep', '2147483647'] : ['/bin/sh'] },
        rootfs: { type: 'layers', diff_ids: [layerBlob.digest] },
      }),
    ),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = add(
    manifestType,
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers: [layerBlob] })),
  );
  const annotations = { 'io.containerd.image.name': image };
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  const archive = join(work, 'image.tar');
  execFileSync('tar', ['-C', layout, '-cf', archive, '.']);
  if (statSync(archive).size === 0) throw new Error(`${archive} is empty`);
  return archive;
}
