import type { LocalControlPlaneConfig } from '../cluster/local-control-plane.ts';
import { apiServerOptions, parseApiServerOptions, parseKubeletAuthority } from './api-server-options.ts';
import { clusterOptions, parseCluster } from './cluster-options.ts';
import type { OptionSpec, OptionValues } from './command.ts';
import { egressOptions, parseSshTunnels } from './egress-options.ts';

/** Flags of the commands that run a control plane of this machine. */
export const controlPlaneOptions: readonly OptionSpec[] = [...clusterOptions, ...apiServerOptions, ...egressOptions];

/** @throws {ConfigError} naming the flag */
export function parseControlPlane(options: OptionValues): LocalControlPlaneConfig {
  const { name, paths } = parseCluster(options);
  const { extraNames, ...api } = parseApiServerOptions(options);
  const kubeletAuthority = parseKubeletAuthority(options);
  const egressSelectorFile = options.text('egressSelectorConfigFile');
  const ssh = parseSshTunnels(options);
  const port = options.integer('securePort', { min: 0, max: 65_535 });
  return {
    name,
    paths,
    host: options.requiredText('bindAddress'),
    extraNames,
    api,
    kubeletPreferredAddressTypes: options.list('kubeletPreferredAddressTypes'),
    ...(port !== undefined && { port }),
    ...(egressSelectorFile !== undefined && { egressSelectorFile }),
    ...(ssh && { ssh }),
    ...(kubeletAuthority && { kubeletAuthority }),
  };
}
