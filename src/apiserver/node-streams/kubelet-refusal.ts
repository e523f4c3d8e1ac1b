import { ApiError, internalError, type StatusReason, statusCodes } from '../../api/errors.ts';

const reasons: Readonly<Record<number, StatusReason>> = {
  400: 'BadRequest',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
};

export interface KubeletAnswer {
  readonly nodeName: string;
  readonly status: number;
  /** As much as was read. */
  readonly body: string;
}

/** What the client is told when the kubelet refused an upgrade: the kubelet's own code and words, and that they are the kubelet's. */
export function refusedUpgrade(answer: KubeletAnswer): ApiError {
  const reason = reasons[answer.status];
  const message = `unable to upgrade connection: ${describe(answer)}`;
  if (reason === undefined) return internalError(message);
  return new ApiError(reason, message, { code: answer.status });
}

/** What the client is told when the kubelet did not give logs. Source: k8s.io/apiserver `pkg/registry/generic/rest/response_checker.go`. */
export function refusedLog(answer: KubeletAnswer): ApiError {
  const { status, body } = answer;
  const reason = reasons[status];
  if (status === 400) return new ApiError('BadRequest', body.trim());
  if (reason === undefined) return internalError(status === 500 ? body.trim() : describe(answer));
  return new ApiError(reason, describe(answer), {
    code: status in reasons ? status : statusCodes[reason],
    details: { causes: [{ reason: 'UnexpectedServerResponse', message: body }] },
  });
}

/**
 * A 401 or 403 is about the API server's credentials, not the user's: it is never passed on as one.
 * A redirect would send the API server's credentials elsewhere (CVE-2020-8559): it is an error.
 */
function describe({ nodeName, status, body }: KubeletAnswer): string {
  const kubelet = `kubelet of node "${nodeName}"`;
  const said = body.trim() === '' ? '' : `: ${statusMessage(body)}`;
  if (status === 401 || status === 403) {
    return `${kubelet} refused the API server's own credentials with ${status}${said}; check --kubelet-client-certificate and the rights of its user`;
  }
  if (status >= 300 && status < 400) return `${kubelet} answered with a redirect (${status}), which is refused`;
  return `${kubelet} answered ${status}${said}`;
}

/** The message of a Status, where the body is one; the body otherwise. */
function statusMessage(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message);
  } catch {
    // plain text, as upstream's kubelet answers
  }
  return body.trim();
}
