import { kubernetesVersion } from '../lib/version.ts';
import type { ConnectHandler } from './review.ts';

const architectures: Readonly<Record<string, string>> = { x64: 'amd64' };

/** `/version`: clients compare their own version with it, and helm reads it before everything else. */
export const versionHandler: ConnectHandler = async ({ exchange }) => {
  const { major, minor, gitVersion } = kubernetesVersion;
  const body = {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node${process.versions.node}`,
    compiler: 'fairlead',
    platform: `${process.platform}/${architectures[process.arch] ?? process.arch}`,
  };
  exchange.respond(200, { 'content-type': 'application/json' }, JSON.stringify(body, null, 2));
};
