import type { OptionSpec } from './command.ts';
import { booleanFlag, klogOptions, valueFlag } from './konnectivity-options.ts';

const withoutEffect = 'Taken for the sake of existing manifests; without effect';
const ignoredValues = [
  'bind-address',
  'config-sync-period',
  'conntrack-max-per-core',
  'conntrack-min',
  'conntrack-tcp-timeout-close-wait',
  'conntrack-tcp-timeout-established',
  'conntrack-udp-timeout',
  'conntrack-udp-timeout-stream',
  'feature-gates',
  'iptables-localhost-nodeports',
  'ipvs-exclude-cidrs',
  'ipvs-min-sync-period',
  'ipvs-scheduler',
  'ipvs-sync-period',
  'ipvs-tcp-timeout',
  'ipvs-tcpfin-timeout',
  'ipvs-udp-timeout',
  'kube-api-burst',
  'kube-api-content-type',
  'kube-api-qps',
  'logging-format',
  'log-flush-frequency',
  'show-hidden-metrics-for-version',
  'write-config-to',
];
const ignoredBooleans = [
  'bind-address-hard-fail',
  'conntrack-tcp-be-liberal',
  'init-only',
  'ipvs-strict-arp',
  'profiling',
];

/** Flags of upstream's `kube-proxy`, with its names and meanings; defaults are filled in with those of the file. */
export const kubeProxyOptions: readonly OptionSpec[] = [
  valueFlag('config', 'A KubeProxyConfiguration file; beside it only --hostname-override counts'),
  valueFlag('kubeconfig', 'How the API server is reached (default: the service account of the pod)'),
  valueFlag('master', 'Not supported: the server is the kubeconfig’s'),
  valueFlag('hostname-override', 'Name of the Node (default: the machine’s host name)'),
  valueFlag('proxy-mode', 'nftables, userspace, or empty for kernel rules where they can be written'),
  valueFlag('cluster-cidr', 'Addresses of pods, one range of each family; other senders are masqueraded'),
  valueFlag(
    'detect-local-mode',
    'How pods of this cluster are told: ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix',
  ),
  valueFlag('pod-bridge-interface', 'Bridge that pods’ packets come by, for BridgeInterface'),
  valueFlag('pod-interface-name-prefix', 'Beginning of pods’ interface names, for InterfaceNamePrefix'),
  booleanFlag('masquerade-all', 'Masquerades all that is sent to cluster addresses'),
  valueFlag('iptables-masquerade-bit', 'Bit of the packet mark that asks for masquerading (default: 14)'),
  {
    flags: '--nodeport-addresses <ranges>',
    description: 'Where node ports answer: primary, or ranges',
    repeatable: true,
  },
  valueFlag('healthz-bind-address', 'Address of /healthz and /livez; empty for none (default: 0.0.0.0:10256)'),
  valueFlag('healthz-port', 'Port of /healthz where its address has none'),
  valueFlag('metrics-bind-address', 'Address of /metrics; empty for none (default: 127.0.0.1:10249)'),
  valueFlag('metrics-port', 'Port of /metrics where its address has none'),
  valueFlag('iptables-min-sync-period', 'Pause between two syncs, at least (default: 10ms)'),
  valueFlag('iptables-sync-period', 'How often rules are looked after (default: 30s)'),
  valueFlag('oom-score-adj', 'How readily the kernel ends this process, -1000 to 1000 (default: -999)'),
  valueFlag(
    'loopback-range',
    'User-space listeners: the loopback addresses that stand for cluster addresses (default: 127.96.0.0/16)',
  ),
  booleanFlag('cleanup', 'Deletes the rules of a proxy and exits'),
  ...ignoredValues.map((name) => ({ flags: `--${name} <value>`, description: withoutEffect })),
  ...ignoredBooleans.map((name) => ({ flags: `--${name} [boolean]`, description: withoutEffect })),
  ...klogOptions,
];
