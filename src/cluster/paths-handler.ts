import type { ConnectHandler } from '../apiserver/review.ts';
import type { ControlPlaneProbeOptions } from '../doctor/control-plane-probes.ts';
import { pathReport } from '../doctor/path-report.ts';

/** Where the API server tells what it found on its own paths. */
export const pathsPath = '/fairlead/paths';

/** Answers `GET /fairlead/paths`. Who asks while the paths are walked gets the same answer. */
export function pathsHandler(options: () => ControlPlaneProbeOptions): ConnectHandler {
  let walking: Promise<string> | undefined;
  return async ({ exchange }) => {
    walking ??= walk(options()).finally(() => {
      walking = undefined;
    });
    exchange.respond(200, { 'content-type': 'application/json' }, await walking);
  };
}

/** The probes are loaded when somebody asks, not at every start. */
async function walk(options: ControlPlaneProbeOptions): Promise<string> {
  const { probeControlPlane } = await import('../doctor/control-plane-probes.ts');
  return JSON.stringify(pathReport(await probeControlPlane(options)));
}
