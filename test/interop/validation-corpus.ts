// Data: one line of intent per object. Long because every rule has its case.
/** A request that both servers get; what they make of it must be the same. */
export interface ValidationCase {
  readonly name: string;
  /** Of the collection. */
  readonly path: string;
  readonly object: JsonLike;
  /** The object is created, and this merge patch is what is compared. */
  readonly patch?: JsonLike;
  /** Where the patch goes. @default the object itself */
  readonly subresource?: string;
}

type JsonLike = Record<string, unknown>;

const core = '/api/v1/namespaces/default';
const apps = '/apis/apps/v1/namespaces/default';
const batch = '/apis/batch/v1/namespaces/default';
const rbac = '/apis/rbac.authorization.k8s.io/v1';

const container = { name: 'c', image: 'img' };
const podOf = (spec: JsonLike, metadata: JsonLike = {}) => ({
  metadata: { name: 'p', ...metadata },
  spec: { automountServiceAccountToken: false, containers: [container], ...spec },
});
const inContainer = (fields: JsonLike, spec: JsonLike = {}) =>
  podOf({ containers: [{ ...container, ...fields }], ...spec });
const labels = { app: 'a' };
const template = (spec: JsonLike = {}) => ({ metadata: { labels }, spec: { containers: [container], ...spec } });
const workload = (spec: JsonLike, metadata: JsonLike = {}) => ({
  metadata: { name: 'w', ...metadata },
  spec: { selector: { matchLabels: labels }, template: template(), ...spec },
});
const service = (spec: JsonLike, name = 's') => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
const long = 'a'.repeat(64);

const pods: [string, JsonLike][] = [
  ['a plain pod', podOf({})],
  ['no containers', podOf({ containers: [] })],
  ['no name', { metadata: {}, spec: { containers: [container] } }],
  ['a bad name', podOf({}, { name: 'A_b' })],
  ['a bad generateName', { metadata: { generateName: 'A_' }, spec: { containers: [container] } }],
  ['a bad label key', podOf({}, { labels: { 'a b': 'c' } })],
  ['a bad label value', podOf({}, { labels: { a: 'b c' } })],
  ['a long label value', podOf({}, { labels: { a: long } })],
  ['a bad annotation key', podOf({}, { annotations: { 'a/b/c': 'x' } })],
  ['large annotations', podOf({}, { annotations: { a: 'x'.repeat(262_145) } })],
  ['a bad finalizer', podOf({}, { finalizers: ['a b'] })],
  ['two deletion finalizers', podOf({}, { finalizers: ['orphan', 'foregroundDeletion'] })],
  ['a bad owner', podOf({}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'e', uid: 'u' }] })],
  ['an incomplete owner', podOf({}, { ownerReferences: [{ apiVersion: 'v1', kind: '', name: '', uid: '' }] })],
  [
    'two controllers',
    podOf(
      {},
      {
        ownerReferences: ['a', 'b'].map((name) => ({
          apiVersion: 'v1',
          kind: 'Pod',
          name,
          uid: name,
          controller: true,
        })),
      },
    ),
  ],
  ['no image', podOf({ containers: [{ name: 'c' }] })],
  ['an image with a space', inContainer({ image: ' img' })],
  ['a bad container name', inContainer({ name: 'C' })],
  ['no container name', podOf({ containers: [{ image: 'i' }] })],
  ['two containers of a name', podOf({ containers: [container, container] })],
  ['an init container of the same name', podOf({ initContainers: [container] })],
  ['ephemeral containers on create', podOf({ ephemeralContainers: [{ name: 'e', image: 'i' }] })],
  ['a bad pull policy', inContainer({ imagePullPolicy: 'Maybe' })],
  ['a bad message policy', inContainer({ terminationMessagePolicy: 'Maybe' })],
  ['a bad port', inContainer({ ports: [{ containerPort: 70_000 }] })],
  ['no port number', inContainer({ ports: [{ name: 'x' }] })],
  ['a bad port name', inContainer({ ports: [{ containerPort: 80, name: 'A--b-' }] })],
  ['a long port name', inContainer({ ports: [{ containerPort: 80, name: 'abcdefghijklmnop' }] })],
  [
    'two ports of a name',
    inContainer({
      ports: [
        { containerPort: 80, name: 'x' },
        { containerPort: 81, name: 'x' },
      ],
    }),
  ],
  ['a bad protocol', inContainer({ ports: [{ containerPort: 80, protocol: 'ICMP' }] })],
  [
    'one host port twice',
    inContainer({
      ports: [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 81, hostPort: 80 },
      ],
    }),
  ],
  ['a host port that differs', inContainer({ ports: [{ containerPort: 80, hostPort: 81 }] }, { hostNetwork: true })],
  ['env without a name', inContainer({ env: [{ value: 'x' }] })],
  ['a bad env name', inContainer({ env: [{ name: 'a=b' }] })],
  [
    'env with value and source',
    inContainer({ env: [{ name: 'a', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
  ],
  ['env from nothing', inContainer({ env: [{ name: 'a', valueFrom: {} }] })],
  [
    'env from an unknown field',
    inContainer({ env: [{ name: 'a', valueFrom: { fieldRef: { fieldPath: 'spec.foo' } } }] }),
  ],
  [
    'env from a field for files',
    inContainer({ env: [{ name: 'a', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }),
  ],
  [
    'env from a label',
    inContainer({ env: [{ name: 'a', valueFrom: { fieldRef: { fieldPath: "metadata.labels['x y']" } } }] }),
  ],
  [
    'env from a bad resource',
    inContainer({ env: [{ name: 'a', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } }] }),
  ],
  [
    'env with a bad divisor',
    inContainer({ env: [{ name: 'a', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] }),
  ],
  [
    'env from a key without a name',
    inContainer({ env: [{ name: 'a', valueFrom: { configMapKeyRef: { key: 'k' } } }] }),
  ],
  ['env from a bad key', inContainer({ env: [{ name: 'a', valueFrom: { secretKeyRef: { name: 's', key: 'a b' } } }] })],
  ['envFrom nothing', inContainer({ envFrom: [{ prefix: 'x' }] })],
  ['envFrom both', inContainer({ envFrom: [{ configMapRef: { name: 'a' }, secretRef: { name: 'b' } }] })],
  ['envFrom no name', inContainer({ envFrom: [{ configMapRef: {} }] })],
  ['a mount of nothing', inContainer({ volumeMounts: [{ name: 'v', mountPath: '/x' }] })],
  [
    'two mounts at one place',
    inContainer(
      {
        volumeMounts: [
          { name: 'v', mountPath: '/x' },
          { name: 'v', mountPath: '/x' },
        ],
      },
      { volumes: [{ name: 'v' }] },
    ),
  ],
  ['a mount without a path', inContainer({ volumeMounts: [{ name: 'v' }] }, { volumes: [{ name: 'v' }] })],
  [
    'an absolute subPath',
    inContainer({ volumeMounts: [{ name: 'v', mountPath: '/x', subPath: '/y' }] }, { volumes: [{ name: 'v' }] }),
  ],
  [
    'a subPath that leaves',
    inContainer({ volumeMounts: [{ name: 'v', mountPath: '/x', subPath: 'a/../..' }] }, { volumes: [{ name: 'v' }] }),
  ],
  [
    'both sub paths',
    inContainer(
      { volumeMounts: [{ name: 'v', mountPath: '/x', subPath: 'y', subPathExpr: 'z' }] },
      { volumes: [{ name: 'v' }] },
    ),
  ],
  [
    'bidirectional without privilege',
    inContainer(
      { volumeMounts: [{ name: 'v', mountPath: '/x', mountPropagation: 'Bidirectional' }] },
      { volumes: [{ name: 'v' }] },
    ),
  ],
  [
    'a bad propagation',
    inContainer(
      { volumeMounts: [{ name: 'v', mountPath: '/x', mountPropagation: 'Up' }] },
      { volumes: [{ name: 'v' }] },
    ),
  ],
  [
    'a device that is no claim',
    inContainer({ volumeDevices: [{ name: 'v', devicePath: '/x' }] }, { volumes: [{ name: 'v' }] }),
  ],
  ['two volumes of a name', podOf({ volumes: [{ name: 'v' }, { name: 'v' }] })],
  ['a volume without a name', podOf({ volumes: [{ emptyDir: {} }] })],
  ['a volume of two kinds', podOf({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] })],
  ['a hostPath without a path', podOf({ volumes: [{ name: 'v', hostPath: {} }] })],
  ['a hostPath of a bad type', podOf({ volumes: [{ name: 'v', hostPath: { path: '/', type: 'Pipe' } }] })],
  ['a hostPath that leaves', podOf({ volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] })],
  ['a secret volume without a name', podOf({ volumes: [{ name: 'v', secret: {} }] })],
  ['a bad mode', podOf({ volumes: [{ name: 'v', secret: { secretName: 's', defaultMode: 4096 } }] })],
  ['a bad item', podOf({ volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'k', path: '../x' }] } }] })],
  ['an item without a key', podOf({ volumes: [{ name: 'v', configMap: { name: 'c', items: [{ path: 'x' }] } }] })],
  [
    'an item named ..data',
    podOf({ volumes: [{ name: 'v', configMap: { name: 'c', items: [{ key: 'k', path: '..data' }] } }] }),
  ],
  ['a claim without a name', podOf({ volumes: [{ name: 'v', persistentVolumeClaim: {} }] })],
  ['a downward file of nothing', podOf({ volumes: [{ name: 'v', downwardAPI: { items: [{ path: 'x' }] } }] })],
  [
    'a downward file of an env field',
    podOf({
      volumes: [{ name: 'v', downwardAPI: { items: [{ path: 'x', fieldRef: { fieldPath: 'status.podIP' } }] } }],
    }),
  ],
  [
    'a downward resource without a container',
    podOf({
      volumes: [{ name: 'v', downwardAPI: { items: [{ path: 'x', resourceFieldRef: { resource: 'limits.cpu' } }] } }],
    }),
  ],
  [
    'a short-lived token',
    podOf({
      volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } }],
    }),
  ],
  [
    'a projection with two kinds',
    podOf({ volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' }, configMap: { name: 'c' } }] } }] }),
  ],
  [
    'a projection with one path twice',
    podOf({
      volumes: [
        {
          name: 'v',
          projected: {
            sources: [
              { secret: { name: 's', items: [{ key: 'a', path: 'x' }] } },
              { configMap: { name: 'c', items: [{ key: 'b', path: 'x' }] } },
            ],
          },
        },
      ],
    }),
  ],
  ['a probe of nothing', inContainer({ livenessProbe: {} })],
  ['a probe of two kinds', inContainer({ livenessProbe: { exec: { command: ['x'] }, tcpSocket: { port: 80 } } })],
  ['a probe with a bad port', inContainer({ readinessProbe: { tcpSocket: { port: 0 } } })],
  ['a probe with a bad port name', inContainer({ readinessProbe: { httpGet: { path: '/', port: 'No!' } } })],
  ['a probe with a bad scheme', inContainer({ readinessProbe: { httpGet: { path: '/', port: 80, scheme: 'FTP' } } })],
  [
    'a probe with a bad header',
    inContainer({ readinessProbe: { httpGet: { path: '/', port: 80, httpHeaders: [{ name: 'a b', value: 'x' }] } } }),
  ],
  ['a probe with a negative time', inContainer({ readinessProbe: { exec: { command: ['x'] }, timeoutSeconds: -1 } })],
  ['a liveness threshold', inContainer({ livenessProbe: { exec: { command: ['x'] }, successThreshold: 2 } })],
  [
    'a grace period of readiness',
    inContainer({ readinessProbe: { exec: { command: ['x'] }, terminationGracePeriodSeconds: 5 } }),
  ],
  ['an empty exec', inContainer({ lifecycle: { preStop: { exec: {} } } })],
  ['a long sleep', inContainer({ lifecycle: { preStop: { sleep: { seconds: 100 } } } })],
  ['an empty hook', inContainer({ lifecycle: { postStart: {} } })],
  [
    'a hook of an init container',
    podOf({ initContainers: [{ name: 'i', image: 'i', lifecycle: { preStop: { exec: { command: ['x'] } } } }] }),
  ],
  ['more than the limit', inContainer({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } })],
  ['an unknown resource', inContainer({ resources: { limits: { gpu: '1' } } })],
  [
    'an extended resource with a fraction',
    inContainer({ resources: { limits: { 'example.com/gpu': '500m' }, requests: { 'example.com/gpu': '500m' } } }),
  ],
  ['an extended resource without a limit', inContainer({ resources: { requests: { 'example.com/gpu': '1' } } })],
  ['a negative resource', inContainer({ resources: { limits: { cpu: '-1' } } })],
  ['a bad resize policy', inContainer({ resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'Maybe' }] })],
  ['a bad restart policy', podOf({ restartPolicy: 'Sometimes' })],
  ['a bad container restart policy', inContainer({ restartPolicy: 'Sometimes' })],
  ['a bad dns policy', podOf({ dnsPolicy: 'Mine' })],
  ['dns of none', podOf({ dnsPolicy: 'None' })],
  ['too many nameservers', podOf({ dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'] } })],
  ['a bad nameserver', podOf({ dnsConfig: { nameservers: ['x'] } })],
  ['a bad node selector', podOf({ nodeSelector: { 'a b': 'c' } })],
  ['a bad user', podOf({ securityContext: { runAsUser: -1, fsGroup: -2 } })],
  ['a bad sysctl', podOf({ securityContext: { sysctls: [{ name: 'A B', value: 'x' }] } })],
  ['a bad change policy', podOf({ securityContext: { fsGroupChangePolicy: 'Never' } })],
  [
    'a local seccomp profile without a name',
    inContainer({ securityContext: { seccompProfile: { type: 'Localhost' } } }),
  ],
  ['a bad seccomp type', inContainer({ securityContext: { seccompProfile: { type: 'Mine' } } })],
  ['a bad procMount', inContainer({ securityContext: { procMount: 'None' } })],
  ['a toleration without a key', podOf({ tolerations: [{ operator: 'Equal' }] })],
  ['a toleration with a bad effect', podOf({ tolerations: [{ key: 'a', effect: 'Never' }] })],
  ['a toleration of everything with a value', podOf({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] })],
  ['a toleration with a bad operator', podOf({ tolerations: [{ key: 'a', operator: 'Like' }] })],
  [
    'seconds without NoExecute',
    podOf({ tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 5 }] }),
  ],
  [
    'an empty node affinity',
    podOf({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    }),
  ],
  [
    'a bad node affinity operator',
    podOf({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Like' }] }],
          },
        },
      },
    }),
  ],
  [
    'In without values',
    podOf({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In' }] }],
          },
        },
      },
    }),
  ],
  [
    'a bad match field',
    podOf({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'spec.x', operator: 'In', values: ['a'] }] }],
          },
        },
      },
    }),
  ],
  [
    'a bad weight',
    podOf({
      affinity: {
        podAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, podAffinityTerm: { topologyKey: 'a' } }],
        },
      },
    }),
  ],
  [
    'no topology key',
    podOf({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: '' }] } } }),
  ],
  ['a bad spread', podOf({ topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'Cry' }] })],
  [
    'one spread twice',
    podOf({
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'a', whenUnsatisfiable: 'DoNotSchedule' },
        { maxSkew: 2, topologyKey: 'a', whenUnsatisfiable: 'DoNotSchedule' },
      ],
    }),
  ],
  ['a bad deadline', podOf({ activeDeadlineSeconds: 0 })],
  ['a bad node name', podOf({ nodeName: 'A_' })],
  ['a bad hostname', podOf({ hostname: 'a.b' })],
  ['a bad subdomain', podOf({ subdomain: 'a.b' })],
  ['a bad host alias', podOf({ hostAliases: [{ ip: 'x', hostnames: ['A_'] }] })],
  ['a bad gate', podOf({ schedulingGates: [{ name: 'a b' }, { name: 'a' }, { name: 'a' }] })],
  ['a node and a gate', podOf({ nodeName: 'n', schedulingGates: [{ name: 'a' }] })],
  ['a bad preemption policy', podOf({ preemptionPolicy: 'Always' })],
  ['a bad readiness gate', podOf({ readinessGates: [{ conditionType: 'a b' }] })],
  ['a bad os', podOf({ os: { name: 'plan9' } })],
  [
    'everything that is good',
    inContainer(
      {
        ports: [{ containerPort: 80, name: 'http' }],
        env: [
          { name: 'A', value: 'b' },
          { name: 'N', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        ],
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        readinessProbe: { httpGet: { path: '/', port: 'http' } },
        resources: { requests: { cpu: '100m' }, limits: { memory: '1Gi' } },
        securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false },
      },
      {
        volumes: [{ name: 'v', emptyDir: {} }],
        tolerations: [{ operator: 'Exists' }],
        initContainers: [{ name: 'i', image: 'i', restartPolicy: 'Always' }],
      },
    ),
  ],
];

const podPatches: [string, JsonLike, string?][] = [
  ['an image', { spec: { containers: [{ ...container, image: 'other' }] } }],
  ['no container left', { spec: { containers: [] } }],
  ['one container more', { spec: { containers: [container, { name: 'd', image: 'i' }] } }],
  ['a command', { spec: { containers: [{ ...container, command: ['x'] }] } }],
  ['the node', { spec: { nodeName: 'n' } }],
  ['a deadline', { spec: { activeDeadlineSeconds: 60 } }],
  ['an image with a space', { spec: { containers: [{ ...container, image: 'x ', imagePullPolicy: 'Always' }] } }],
  ['tolerations lost', { spec: { tolerations: [] } }],
  ['the mirror annotation', { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }],
  ['labels', { metadata: { labels: { a: 'b' } } }],
  ['the quality of service', { status: { qosClass: 'Guaranteed' } }, 'status'],
  ['a bad address', { status: { podIPs: [{ ip: 'x' }] } }, 'status'],
  ['a bad condition', { status: { conditions: [{ type: 'a b', status: 'True' }] } }, 'status'],
];

const services: [string, JsonLike][] = [
  ['a plain service', service({})],
  ['no ports', service({ ports: [] })],
  ['a bad name', service({}, 'a.b')],
  ['a name with a digit first', service({}, '1a')],
  ['two ports without names', service({ ports: [{ port: 80 }, { port: 81 }] })],
  [
    'two ports of a name',
    service({
      ports: [
        { port: 80, name: 'a' },
        { port: 81, name: 'a' },
      ],
    }),
  ],
  [
    'one port twice',
    service({
      ports: [
        { port: 80, name: 'a' },
        { port: 80, name: 'b' },
      ],
    }),
  ],
  ['a bad port', service({ ports: [{ port: 0 }] })],
  ['a bad target', service({ ports: [{ port: 80, targetPort: 'A!' }] })],
  ['a bad protocol', service({ ports: [{ port: 80, protocol: 'X' }] })],
  ['a node port of a ClusterIP', service({ ports: [{ port: 80, nodePort: 30_001 }] })],
  ['a bad type', service({ type: 'Other' })],
  ['an address out of range', service({ clusterIP: '1.2.3.4' })],
  ['no address', service({ clusterIP: 'x' })],
  ['headless with node ports', service({ clusterIP: 'None', type: 'NodePort' })],
  ['an external name without a name', service({ type: 'ExternalName' })],
  ['an external name with an address', service({ type: 'ExternalName', externalName: 'a.b', clusterIP: '10.96.0.9' })],
  ['a bad external name', service({ type: 'ExternalName', externalName: 'A_b' })],
  ['a bad affinity', service({ sessionAffinity: 'Always' })],
  [
    'a long affinity',
    service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 100_000 } } }),
  ],
  ['affinity settings without affinity', service({ sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } } })],
  ['a bad selector', service({ selector: { 'a b': 'c' } })],
  ['a loopback external address', service({ externalIPs: ['127.0.0.1'] })],
  ['two families', service({ ipFamilies: ['IPv4', 'IPv6'] })],
  ['an unknown family', service({ ipFamilies: ['IPv5'] })],
  ['IPv6 here', service({ ipFamilies: ['IPv6'] })],
  ['dual stack here', service({ ipFamilyPolicy: 'RequireDualStack' })],
  ['a traffic policy without need', service({ externalTrafficPolicy: 'Local' })],
  ['a bad traffic policy', service({ type: 'NodePort', externalTrafficPolicy: 'Near' })],
  ['a bad internal policy', service({ internalTrafficPolicy: 'Near' })],
  ['source ranges without a balancer', service({ loadBalancerSourceRanges: ['10.0.0.0/8'] })],
  ['a class without a balancer', service({ loadBalancerClass: 'a.b/c' })],
  ['a bad distribution', service({ trafficDistribution: 'Far' })],
  ['three addresses', service({ clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', '10.96.0.8', '10.96.0.9'] })],
  ['addresses that differ', service({ clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.8'] })],
];

const servicePatches: [string, JsonLike][] = [
  ['another address', { spec: { clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] } }],
  ['another address alone', { spec: { clusterIP: '10.96.0.77' } }],
  ['no address any more', { spec: { clusterIP: 'None', clusterIPs: ['None'] } }],
  ['another family', { spec: { ipFamilies: ['IPv6'] } }],
  ['a node port', { spec: { type: 'NodePort' } }],
  ['an external name', { spec: { type: 'ExternalName', externalName: 'example.com' } }],
];

const deployments: [string, JsonLike][] = [
  ['a plain deployment', workload({})],
  ['no selector', { metadata: { name: 'w' }, spec: { template: template() } }],
  ['an empty selector', workload({ selector: {} })],
  ['a selector that does not match', workload({ selector: { matchLabels: { app: 'b' } } })],
  ['a bad selector operator', workload({ selector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } })],
  ['In without values', workload({ selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } })],
  ['negative replicas', workload({ replicas: -1 })],
  ['pods that never restart', workload({ template: template({ restartPolicy: 'Never' }) })],
  ['pods with a deadline', workload({ template: template({ activeDeadlineSeconds: 5 }) })],
  ['no containers', workload({ template: template({ containers: [] }) })],
  ['a bad strategy', workload({ strategy: { type: 'Slow' } })],
  ['recreate with settings', workload({ strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } })],
  [
    'nothing may go and nothing may come',
    workload({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
  ],
  ['a bad percentage', workload({ strategy: { rollingUpdate: { maxSurge: 'x%' } } })],
  ['more than all', workload({ strategy: { rollingUpdate: { maxUnavailable: '101%' } } })],
  ['a negative limit', workload({ revisionHistoryLimit: -1 })],
  ['a deadline that is too short', workload({ progressDeadlineSeconds: 5, minReadySeconds: 10 })],
  [
    'a bad template label',
    workload({ template: { metadata: { labels: { ...labels, 'a b': 'c' } }, spec: { containers: [container] } } }),
  ],
];

const statefulSets: [string, JsonLike][] = [
  ['a plain stateful set', workload({ serviceName: 's' })],
  ['a bad policy', workload({ podManagementPolicy: 'Wild' })],
  ['a bad update strategy', workload({ updateStrategy: { type: 'Wild' } })],
  ['a negative partition', workload({ updateStrategy: { rollingUpdate: { partition: -1 } } })],
  ['on delete with settings', workload({ updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } })],
  ['an empty selector', workload({ selector: {} })],
  ['a bad restart policy', workload({ template: template({ restartPolicy: 'OnFailure' }) })],
];

const daemonSets: [string, JsonLike][] = [
  ['a plain daemon set', workload({})],
  ['an empty selector', workload({ selector: {} })],
  ['a selector that does not match', workload({ selector: { matchLabels: { app: 'b' } } })],
  ['a bad update strategy', workload({ updateStrategy: { type: 'Wild' } })],
  ['surge and absence', workload({ updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } })],
  ['neither surge nor absence', workload({ updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } })],
];

const job = (spec: JsonLike, podSpec: JsonLike = { restartPolicy: 'Never' }) => ({
  metadata: { name: 'j' },
  spec: { template: { spec: { containers: [container], ...podSpec } }, ...spec },
});
const jobs: [string, JsonLike][] = [
  ['a plain job', job({})],
  ['no restart policy', job({}, {})],
  ['an unknown restart policy', job({}, { restartPolicy: 'X' })],
  ['negative numbers', job({ parallelism: -1, completions: -1, backoffLimit: -1 })],
  ['a bad mode', job({ completionMode: 'Some' })],
  ['indexed without completions', job({ completionMode: 'Indexed' })],
  ['limits per index without indexes', job({ backoffLimitPerIndex: 1 })],
  ['a selector of its own', job({ selector: { matchLabels: { a: 'b' } } })],
  ['a bad manager', job({ managedBy: 'x' })],
  ['a failure policy with restarts', job({ podFailurePolicy: { rules: [] } }, { restartPolicy: 'OnFailure' })],
];
const cronJob = (spec: JsonLike, name = 'c') => ({
  metadata: { name },
  spec: {
    schedule: '* * * * *',
    jobTemplate: { spec: { template: { spec: { containers: [container], restartPolicy: 'Never' } } } },
    ...spec,
  },
});
const cronJobs: [string, JsonLike][] = [
  ['a plain cron job', cronJob({})],
  ['no schedule', cronJob({ schedule: '' })],
  ['four fields', cronJob({ schedule: '* * * *' })],
  ['a minute too many', cronJob({ schedule: '60 * * * *' })],
  ['a bad number', cronJob({ schedule: 'x * * * *' })],
  ['a backward range', cronJob({ schedule: '5-3 * * * *' })],
  ['a step of zero', cronJob({ schedule: '*/0 * * * *' })],
  ['names', cronJob({ schedule: '0 0 * JAN-MAR mon,fri' })],
  ['every hour', cronJob({ schedule: '@hourly' })],
  ['an unknown word', cronJob({ schedule: '@often' })],
  ['a zone in the schedule', cronJob({ schedule: 'TZ=UTC * * * * *' })],
  ['a bad zone', cronJob({ timeZone: 'Mars/Olympus' })],
  ['the local zone', cronJob({ timeZone: 'Local' })],
  ['a bad concurrency policy', cronJob({ concurrencyPolicy: 'X' })],
  ['a negative limit', cronJob({ failedJobsHistoryLimit: -1 })],
  ['a long name', cronJob({}, 'a'.repeat(53))],
  [
    'a selector',
    cronJob({
      jobTemplate: {
        spec: {
          selector: { matchLabels: { a: 'b' } },
          template: { spec: { containers: [container], restartPolicy: 'Never' } },
        },
      },
    }),
  ],
];

const secret = (type: string, stringData: JsonLike = {}) => ({ metadata: { name: 'x' }, type, stringData });
const configuration: [string, string, JsonLike][] = [
  ['a plain config map', `${core}/configmaps`, { metadata: { name: 'x' }, data: { a: 'b' } }],
  ['a bad key', `${core}/configmaps`, { metadata: { name: 'x' }, data: { 'a b': 'c' } }],
  ['a key of dots', `${core}/configmaps`, { metadata: { name: 'x' }, data: { '..': 'c' } }],
  ['a key in both', `${core}/configmaps`, { metadata: { name: 'x' }, data: { a: 'b' }, binaryData: { a: 'YQ==' } }],
  ['too much', `${core}/configmaps`, { metadata: { name: 'x' }, data: { a: 'b'.repeat(1_048_577) } }],
  ['a plain secret', `${core}/secrets`, secret('Opaque', { a: 'b' })],
  ['a bad secret key', `${core}/secrets`, secret('Opaque', { 'a b': 'c' })],
  ['no certificate', `${core}/secrets`, secret('kubernetes.io/tls')],
  ['no docker config', `${core}/secrets`, secret('kubernetes.io/dockerconfigjson')],
  [
    'a docker config that is none',
    `${core}/secrets`,
    secret('kubernetes.io/dockerconfigjson', { '.dockerconfigjson': 'x' }),
  ],
  ['no user', `${core}/secrets`, secret('kubernetes.io/basic-auth')],
  ['no key', `${core}/secrets`, secret('kubernetes.io/ssh-auth')],
  ['no account', `${core}/secrets`, secret('kubernetes.io/service-account-token')],
  ['too much secret', `${core}/secrets`, secret('Opaque', { a: 'b'.repeat(1_048_577) })],
];

const objects: [string, string, JsonLike][] = [
  ...configuration,
  ['a bad namespace name', '/api/v1/namespaces', { metadata: { name: 'a.b' } }],
  ['a long namespace name', '/api/v1/namespaces', { metadata: { name: long } }],
  ['a bad namespace finalizer', '/api/v1/namespaces', { metadata: { name: 'n' }, spec: { finalizers: ['x'] } }],
  ['a plain node', '/api/v1/nodes', { metadata: { name: 'n' } }],
  ['a bad taint', '/api/v1/nodes', { metadata: { name: 'n' }, spec: { taints: [{ key: 'a b', effect: 'X' }] } }],
  [
    'one taint twice',
    '/api/v1/nodes',
    {
      metadata: { name: 'n' },
      spec: {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
        ],
      },
    },
  ],
  [
    'a taint without an effect',
    '/api/v1/nodes',
    { metadata: { name: 'n' }, spec: { taints: [{ key: 'a', effect: '' }] } },
  ],
  ['a bad pod range', '/api/v1/nodes', { metadata: { name: 'n' }, spec: { podCIDRs: ['x'] } }],
  [
    'two pod ranges of a family',
    '/api/v1/nodes',
    { metadata: { name: 'n' }, spec: { podCIDRs: ['10.1.0.0/24', '10.2.0.0/24'] } },
  ],
  ['a bad account name', `${core}/serviceaccounts`, { metadata: { name: 'A' } }],
  [
    'a rule without verbs',
    `${rbac}/namespaces/default/roles`,
    { metadata: { name: 'r' }, rules: [{ apiGroups: [''], resources: ['pods'] }] },
  ],
  ['a rule of nothing', `${rbac}/namespaces/default/roles`, { metadata: { name: 'r' }, rules: [{ verbs: ['get'] }] }],
  [
    'a role for URLs',
    `${rbac}/namespaces/default/roles`,
    { metadata: { name: 'r' }, rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] },
  ],
  [
    'a rule for both',
    `${rbac}/clusterroles`,
    {
      metadata: { name: 'r' },
      rules: [{ verbs: ['get'], nonResourceURLs: ['/x'], resources: ['pods'], apiGroups: [''] }],
    },
  ],
  ['an empty aggregation', `${rbac}/clusterroles`, { metadata: { name: 'r' }, aggregationRule: {} }],
  ['a role name with a slash', `${rbac}/clusterroles`, { metadata: { name: 'a%b' } }],
  ['a role name with colons', `${rbac}/clusterroles`, { metadata: { name: 'a:b' } }],
  [
    'a binding to nothing',
    `${rbac}/clusterrolebindings`,
    { metadata: { name: 'b' }, roleRef: { apiGroup: 'x', kind: 'Role', name: '' } },
  ],
  [
    'bad subjects',
    `${rbac}/clusterrolebindings`,
    {
      metadata: { name: 'b' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [
        { kind: 'ServiceAccount', name: 'x' },
        { kind: 'User', name: '', apiGroup: 'x' },
        { kind: 'Robot', name: 'x' },
      ],
    },
  ],
  [
    'a bad lease',
    '/apis/coordination.k8s.io/v1/namespaces/default/leases',
    { metadata: { name: 'l' }, spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } },
  ],
  ['an empty subset', `${core}/endpoints`, { metadata: { name: 'e' }, subsets: [{}] }],
  [
    'a loopback endpoint',
    `${core}/endpoints`,
    { metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ port: 80 }] }] },
  ],
  [
    'a link-local endpoint',
    `${core}/endpoints`,
    { metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: '169.254.169.254' }], ports: [{ port: 80 }] }] },
  ],
  [
    'no address of an endpoint',
    `${core}/endpoints`,
    { metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: 'x' }] }] },
  ],
  [
    'a loopback slice',
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    { metadata: { name: 'e' }, addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'] }] },
  ],
  [
    'a slice without a type',
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    { metadata: { name: 'e' }, addressType: '', endpoints: [] },
  ],
  [
    'a slice of the wrong family',
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    { metadata: { name: 'e' }, addressType: 'IPv6', endpoints: [{ addresses: ['10.0.0.1'] }] },
  ],
  [
    'a slice without addresses',
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    { metadata: { name: 'e' }, addressType: 'IPv4', endpoints: [{ addresses: [] }] },
  ],
  [
    'a reserved priority class',
    '/apis/scheduling.k8s.io/v1/priorityclasses',
    { metadata: { name: 'system-mine' }, value: 1 },
  ],
  ['a high priority', '/apis/scheduling.k8s.io/v1/priorityclasses', { metadata: { name: 'p' }, value: 2_000_000_000 }],
  [
    'a claim without a size',
    `${core}/persistentvolumeclaims`,
    { metadata: { name: 'c' }, spec: { accessModes: ['ReadWriteOnce'] } },
  ],
  [
    'a claim without a mode',
    `${core}/persistentvolumeclaims`,
    { metadata: { name: 'c' }, spec: { resources: { requests: { storage: '1Gi' } } } },
  ],
  [
    'a foreign event',
    `${core}/events`,
    { metadata: { name: 'e' }, involvedObject: { namespace: 'other', kind: 'Pod', name: 'p' } },
  ],
  [
    'a request that is none',
    '/apis/certificates.k8s.io/v1/certificatesigningrequests',
    { metadata: { name: 'c' }, spec: { request: 'eA==', signerName: 'a.b/c', usages: ['client auth'] } },
  ],
];

const binding = (name: string) => ({
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
});
const updates: ValidationCase[] = [
  {
    name: 'a deployment gets another selector',
    path: `${apps}/deployments`,
    object: workload({ replicas: 0 }),
    patch: {
      spec: { selector: { matchLabels: { app: null, b: 'c' } }, template: { metadata: { labels: { b: 'c' } } } },
    },
  },
  {
    name: 'a stateful set gets another service',
    path: `${apps}/statefulsets`,
    object: workload({ replicas: 0, serviceName: 's' }),
    patch: { spec: { serviceName: 't' } },
  },
  {
    name: 'a daemon set gets another selector',
    path: `${apps}/daemonsets`,
    object: workload({}),
    patch: {
      spec: { selector: { matchLabels: { app: null, b: 'c' } }, template: { metadata: { labels: { b: 'c' } } } },
    },
  },
  {
    name: 'an immutable config map changes',
    path: `${core}/configmaps`,
    object: { metadata: { name: 'u' }, immutable: true, data: { a: 'b' } },
    patch: { data: { a: 'c' } },
  },
  {
    name: 'an immutable secret changes',
    path: `${core}/secrets`,
    object: { metadata: { name: 'u' }, immutable: true, stringData: { a: 'b' } },
    patch: { immutable: false, stringData: { a: 'c' } },
  },
  { name: 'a secret gets another type', path: `${core}/secrets`, object: secret('Opaque'), patch: { type: 'other' } },
  {
    name: 'a binding gets another role',
    path: `${rbac}/clusterrolebindings`,
    object: binding('u'),
    patch: { roleRef: { name: 'edit' } },
  },
  {
    name: 'a node gets another range',
    path: '/api/v1/nodes',
    object: { metadata: { name: 'u' }, spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] } },
    patch: { spec: { podCIDR: '10.2.0.0/24', podCIDRs: ['10.2.0.0/24'] } },
  },
  {
    name: 'a node gets another provider',
    path: '/api/v1/nodes',
    object: { metadata: { name: 'u' }, spec: { providerID: 'a' } },
    patch: { spec: { providerID: 'b' } },
  },
  {
    name: 'a lease goes wrong',
    path: '/apis/coordination.k8s.io/v1/namespaces/default/leases',
    object: { metadata: { name: 'u' }, spec: {} },
    patch: { spec: { leaseDurationSeconds: -1 } },
  },
  {
    name: 'a slice gets another type',
    path: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    object: { metadata: { name: 'u' }, addressType: 'IPv4', endpoints: [] },
    patch: { addressType: 'FQDN' },
  },
  {
    name: 'a priority class changes',
    path: '/apis/scheduling.k8s.io/v1/priorityclasses',
    object: { metadata: { name: 'u' }, value: 1 },
    patch: { value: 2 },
  },
  {
    name: 'labels of a config map go wrong',
    path: `${core}/configmaps`,
    object: { metadata: { name: 'u2' } },
    patch: { metadata: { labels: { a: 'b c' } } },
  },
];

const at = (path: string, cases: [string, JsonLike][]): ValidationCase[] =>
  cases.map(([name, object]) => ({ name, path, object }));

export const validationCases: readonly ValidationCase[] = [
  ...at(`${core}/pods`, pods),
  ...podPatches.map(([name, patch, subresource]) => ({
    name: `a pod's update: ${name}`,
    path: `${core}/pods`,
    object: podOf({}),
    patch,
    ...(subresource !== undefined && { subresource }),
  })),
  ...at(`${core}/services`, services),
  ...servicePatches.map(([name, patch]) => ({
    name: `a service's update: ${name}`,
    path: `${core}/services`,
    object: service({ clusterIP: '10.96.0.50' }),
    patch,
  })),
  ...at(`${apps}/deployments`, deployments),
  ...at(`${apps}/replicasets`, deployments.slice(0, 10)),
  ...at(`${apps}/statefulsets`, statefulSets),
  ...at(`${apps}/daemonsets`, daemonSets),
  ...at(`${batch}/jobs`, jobs),
  ...at(`${batch}/cronjobs`, cronJobs),
  ...objects.map(([name, path, object]) => ({ name, path, object })),
  ...updates,
];
