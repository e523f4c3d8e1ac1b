import { ApiError, type StatusReason, statusCodes } from '../../api/errors.ts';
import type { JsonObject } from '../../api/object.ts';

/** A webhook's refusal as the client is told it: its own Status, with who refused in front of the message. */
export class WebhookRejection extends ApiError {}

/** `status` as the webhook gave it, perhaps empty. Never less than 400, whatever it says. */
export function webhookRejection(webhook: string, status: JsonObject): WebhookRejection {
  const { code, message, reason, details } = status;
  const denied = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why =
    typeof message === 'string' && message !== ''
      ? `: ${message}`
      : typeof reason === 'string' && reason !== ''
        ? `: ${reason}`
        : ' without explanation';
  return new WebhookRejection(isReason(reason) ? reason : '', `${denied}${why}`, {
    code: typeof code === 'number' && code >= 400 && code <= 599 ? code : 400,
    ...(typeof details === 'object' && details !== null && !Array.isArray(details) && { details }),
  });
}

function isReason(reason: unknown): reason is StatusReason {
  return typeof reason === 'string' && Object.hasOwn(statusCodes, reason);
}
