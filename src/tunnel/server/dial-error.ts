/** Why a dial through the tunnel failed, by the `reason` label of upstream's `dial_failure_count`, and three that it does not count. */
export type DialFailure =
  | 'no_agent'
  | 'error_response'
  | 'unrecognized_response'
  | 'send_rsp'
  | 'backend_close'
  | 'backend_dial_timeout'
  | 'frontend_close'
  | 'backend_lost'
  | 'canceled';

/** A dial that gave no connection. The message is what upstream's clients read. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly reason: DialFailure;

  constructor(reason: DialFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
