import type { RequestContext } from '../exchange.ts';
import type { AdmissionAttributes } from './admission.ts';

/** What admission may say beside its verdict, and how long it may take, for a write that a client asked for. */
export function admissionContext(
  context: RequestContext,
): Required<Pick<AdmissionAttributes, 'warn' | 'annotate' | 'signal'>> {
  return {
    warn: (message) => context.warn(message),
    annotate: (key, value) => context.annotate(key, value),
    signal: () => context.exchange.signal,
  };
}
