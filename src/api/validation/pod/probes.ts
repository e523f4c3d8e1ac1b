import { type FieldError, forbiddenField, invalid, notSupported, required } from '../../field-error.ts';
import type {
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  Probe,
  SleepAction,
  TCPSocketAction,
} from '../../kubernetes/core-v1.ts';
import { httpHeaderNameErrors } from '../names.ts';
import { validateNonNegative } from '../numbers.ts';
import { validatePortNumber, validatePortOrName } from '../ports.ts';
import type { PodContext } from './context.ts';

interface Handler {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: GRPCAction;
  readonly sleep?: SleepAction;
}

const schemes = ['HTTP', 'HTTPS'];
const signalsOfWindows = ['SIGKILL', 'SIGTERM'];

/** The three probes of a container that has them. */
export function validateProbes(
  container: { livenessProbe?: Probe; readinessProbe?: Probe; startupProbe?: Probe },
  path: string,
  pod: PodContext,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const kind of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[kind];
    if (!probe) continue;
    const at = `${path}.${kind}`;
    errors.push(...validateProbe(probe, at, pod));
    const { successThreshold = 0, terminationGracePeriodSeconds: grace } = probe;
    if (kind !== 'readinessProbe') {
      if (successThreshold !== 1) errors.push(invalid(`${at}.successThreshold`, successThreshold, 'must be 1'));
    } else if (grace !== undefined) {
      errors.push(invalid(`${at}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'));
    }
  }
  return errors;
}

export function validateLifecycle(lifecycle: Lifecycle | undefined, path: string, pod: PodContext): FieldError[] {
  const errors: FieldError[] = [];
  const { postStart, preStop, stopSignal } = lifecycle ?? {};
  if (postStart) errors.push(...validateHandler(postStart, `${path}.postStart`, pod));
  if (preStop) errors.push(...validateHandler(preStop, `${path}.preStop`, pod));
  if (stopSignal === undefined) return errors;
  const at = `${path}.stopSignal`;
  if (pod.os === undefined) {
    errors.push(forbiddenField(at, 'may not be set for containers with empty `spec.os.name`'));
  } else if (pod.os === 'windows' && !signalsOfWindows.includes(stopSignal)) {
    errors.push(notSupported(at, stopSignal, signalsOfWindows));
  }
  return errors;
}

function validateProbe(probe: Probe, path: string, pod: PodContext): FieldError[] {
  const errors = validateHandler(probe, path, pod);
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    errors.push(...validateNonNegative(probe[field], `${path}.${field}`));
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  }
  return errors;
}

function validateHandler(handler: Handler, path: string, pod: PodContext): FieldError[] {
  const checks: (readonly [keyof Handler, (path: string) => FieldError[]])[] = [];
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  if (exec) checks.push(['exec', (at) => (exec.command?.length ? [] : [required(`${at}.command`)])]);
  if (httpGet) checks.push(['httpGet', (at) => validateHttpGet(httpGet, at)]);
  if (tcpSocket) checks.push(['tcpSocket', (at) => validatePortOrName(tcpSocket.port, `${at}.port`)]);
  if (grpc) checks.push(['grpc', (at) => validatePortNumber(grpc.port, `${at}.port`)]);
  if (sleep) checks.push(['sleep', (at) => validateSleep(sleep, at, pod)]);
  if (checks.length === 0) return [required(path, 'must specify a handler type')];
  return checks.flatMap(([field, check], i) =>
    i === 0
      ? check(`${path}.${field}`)
      : [forbiddenField(`${path}.${field}`, 'may not specify more than 1 handler type')],
  );
}

function validateHttpGet(
  { path: target = '', port, scheme = '', httpHeaders = [] }: HTTPGetAction,
  path: string,
): FieldError[] {
  const errors: FieldError[] = target === '' ? [required(`${path}.path`)] : [];
  errors.push(...validatePortOrName(port, `${path}.port`));
  if (!schemes.includes(scheme)) errors.push(notSupported(`${path}.scheme`, scheme, schemes));
  for (const { name = '' } of httpHeaders) {
    for (const text of httpHeaderNameErrors(name)) errors.push(invalid(`${path}.httpHeaders`, name, text));
  }
  return errors;
}

function validateSleep({ seconds = 0 }: SleepAction, path: string, { gracePeriodSeconds }: PodContext): FieldError[] {
  if (gracePeriodSeconds === undefined || (seconds >= 0 && seconds <= gracePeriodSeconds)) return [];
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriodSeconds})`;
  return [invalid(path, seconds, detail)];
}
